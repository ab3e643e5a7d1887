/** How a request stands: its class, its end user and its bounds, from body, headers and policy. */
import type { IncomingHttpHeaders } from 'node:http'
import {
  GristmillError,
  type Limits,
  lowerClass,
  type ServiceClass,
  serviceClasses,
  tagsOf,
} from '../base/index.ts'
import type { Principal } from '../tenancy/index.ts'
import { type CanonicalRequest, invalid } from './canonical.ts'
import { sessionIdOf } from './session-id.ts'

/** What is known of a request beside its class and bounds. */
export type Asker = Pick<Standing, 'endUser' | 'sessionId' | 'tags'>

export interface Standing {
  serviceClass: ServiceClass
  /** Named end user, trusted; null where none is. */
  endUser: string | null
  /** The conversation that it belongs to; null where nothing names one. */
  sessionId: string | null
  /** What it brings to choose by among the targets that are open to it anyway. */
  tags: readonly string[]
  /** W3C trace context that it came with, as it came. */
  traceParent?: string | undefined
  waitMsMax: number
  queueDepthMax: number
}

const CLASS_HEADER = 'x-gristmill-class'
const WAIT_HEADER = 'x-gristmill-max-wait-ms'
const TAGS_HEADER = 'x-gristmill-tags'
const NO_TAGS: readonly string[] = []
const END_USER_LENGTH_MAX = 256

/** @throws GristmillError `invalid_value`, `forbidden` where no class at or below is allowed */
export function standingOf(
  request: CanonicalRequest,
  headers: IncomingHttpHeaders,
  principal: Principal,
  options: { limits: Limits; endUserHeader: string | undefined },
): Standing {
  const { tenantLimits, keyLimits } = principal.policy
  const { waitMsMax, queueDepthMax } = options.limits
  const asked = headers[WAIT_HEADER]
  return {
    serviceClass: classOf(request.serviceTier, headers[CLASS_HEADER], principal),
    endUser: endUserOf(request, headers, principal, options.endUserHeader),
    sessionId: sessionIdOf(headers, request.sessionId),
    tags: tagsIn(headers[TAGS_HEADER]),
    traceParent: headers.traceparent as string | undefined,
    waitMsMax: Math.min(
      waitMsMax,
      tenantLimits.waitMsMax ?? waitMsMax,
      keyLimits.waitMsMax ?? waitMsMax,
      asked === undefined ? waitMsMax : positiveHeader(asked),
    ),
    queueDepthMax: Math.min(queueDepthMax, tenantLimits.queueDepthMax ?? queueDepthMax),
  }
}

/** The wire's tier, lowered by the header, then by what the key may use. */
function classOf(
  tier: string | null,
  header: string | string[] | undefined,
  { policy, keyName }: Principal,
): ServiceClass {
  let wanted = tierClass(tier, policy.defaultClass)
  if (header !== undefined) {
    if (!isClass(header))
      throw invalid(CLASS_HEADER, `it must be one of ${serviceClasses.join(', ')}`)
    wanted = lowerClass(wanted, header)
  }
  const from = serviceClasses.indexOf(wanted)
  const served = serviceClasses.slice(from).find((one) => policy.classes.includes(one))
  if (served !== undefined) return served
  const action = `use class ${wanted}`
  throw new GristmillError('forbidden', { actor: `The key ${keyName}`, action })
}

function tierClass(tier: string | null, defaultClass: ServiceClass): ServiceClass {
  if (tier === null || tier === 'auto' || tier === 'scale') return defaultClass
  if (tier === 'default') return 'standard'
  if (isClass(tier)) return tier
  throw invalid('service_tier', `it must be one of auto, default, ${serviceClasses.join(', ')}`)
}

const isClass = (value: unknown): value is ServiceClass =>
  serviceClasses.includes(value as ServiceClass)

function endUserOf(
  request: CanonicalRequest,
  headers: IncomingHttpHeaders,
  { scopes }: Principal,
  header: string | undefined,
): string | null {
  if (!scopes.has('end_users')) return null
  const given = header === undefined ? undefined : headers[header]
  const user = typeof given === 'string' && given !== '' ? given : request.endUser
  if (user !== null && user.length > END_USER_LENGTH_MAX) {
    throw invalid('user', `it must have at most ${END_USER_LENGTH_MAX} characters`)
  }
  if (user?.includes('\0')) throw invalid('user', 'it must not have the character NUL')
  return user
}

function tagsIn(header: string | string[] | undefined): readonly string[] {
  if (header === undefined) return NO_TAGS
  const tags = tagsOf(String(header))
  if (tags !== undefined) return tags
  throw invalid(TAGS_HEADER, 'it must be up to 16 tags in small letters, with commas')
}

function positiveHeader(value: string | string[]): number {
  const ms = Number(value)
  if (!Number.isInteger(ms) || ms < 1) {
    throw invalid(WAIT_HEADER, 'it must be a whole number of milliseconds above 0')
  }
  return ms
}
