/**
 * The body as it goes to an engine. What the client wrote is kept byte by byte wherever it can be:
 * our fields are written before the last brace, and only a client that sets fields of ours has its
 * body written anew.
 */
import { createHmac } from 'node:crypto'
import type { Grant } from '../pool/index.ts'
import type { BoundName, ToldBound } from './answer-bound.ts'
import type { CanonicalRequest } from './canonical.ts'
import { jsonOf } from './json-text.ts'

/**
 * Fields that order an engine's work or its cache, and a bound that some heed more than
 * `max_tokens`; clients have no say in them.
 */
const OWNED = [
  'n_predict',
  'priority',
  'cache_salt',
  'cache_prompt',
  'id_slot',
  'vllm_xargs',
  'kv_transfer_params',
  'request_id',
]
const CLOSING_BRACE = 0x7d

type Taken = Pick<Grant, 'rank' | 'takesPriority' | 'takesCacheSalt' | 'takesCacheOff' | 'slot'>

/** What an engine is told beside what the client wrote. */
export interface Told extends ToldBound {
  /** Keeps the tenant's prefix cache apart. */
  salt: string
}

export function engineBody(request: CanonicalRequest, grant: Taken, told: Told): Buffer {
  const { fields, raw, stream, includeUsage } = request
  const { boundName, salt } = told
  const bound = told.outputTokensMax ?? boundToTell(request, boundName)
  const asksUsage = stream && !includeUsage
  const isAnew =
    (asksUsage && 'stream_options' in fields) ||
    (bound !== null && boundName in fields) ||
    (boundName !== 'max_tokens' && 'max_tokens' in fields) ||
    OWNED.some((name) => name in fields)
  if (isAnew) return rewritten(request, grant, bound, told)
  let added = ''
  if (grant.takesPriority) added += `,"priority":${grant.rank}`
  if (grant.takesCacheSalt) added += `,"cache_salt":"${salt}"`
  else if (grant.takesCacheOff) added += `,"cache_prompt":${grant.slot?.keeps === true}`
  if (grant.slot !== undefined) added += `,"id_slot":${grant.slot.number}`
  if (bound !== null) added += `,"${boundName}":${bound}`
  if (asksUsage) added += ',"stream_options":{"include_usage":true}'
  if (added === '') return raw
  const end = raw.lastIndexOf(CLOSING_BRACE)
  const body = Buffer.allocUnsafe(end + added.length + 1)
  raw.copy(body, 0, 0, end)
  body.write(`${added}}`, end, 'latin1')
  return body
}

/**
 * The client's bound where it has another name; null where it has none. Engines that do not know
 * the other name let an answer run on, so that it is told by the one that they know as well.
 */
function boundToTell(
  { fields, outputTokensAsked }: CanonicalRequest,
  boundName: BoundName,
): number | null {
  return fields[boundName] === outputTokensAsked ? null : outputTokensAsked || null
}

function rewritten(
  { fields, stream }: CanonicalRequest,
  grant: Taken,
  bound: number | null,
  { boundName, salt }: Told,
): Buffer {
  const body: Record<string, unknown> = { ...fields }
  for (const name of OWNED) delete body[name]
  if (grant.takesPriority) body.priority = grant.rank
  if (grant.takesCacheSalt) body.cache_salt = salt
  else if (grant.takesCacheOff) body.cache_prompt = grant.slot?.keeps === true
  if (grant.slot !== undefined) body.id_slot = grant.slot.number
  if (boundName !== 'max_tokens') delete body.max_tokens
  if (bound !== null) body[boundName] = bound
  if (stream) {
    body.stream_options = { ...(fields.stream_options as object | null), include_usage: true }
  }
  return Buffer.from(jsonOf(body))
}

const SALTS_MAX = 50_000

/** Salts by tenant; computed once each. */
export class CacheSalts {
  readonly #secret: Uint8Array
  readonly #salts = new Map<string, string>()

  constructor(secret: Uint8Array) {
    this.#secret = secret
  }

  /** HMAC-SHA-256 of the tenant, so that nobody can name another tenant's salt. */
  of(tenantId: string): string {
    const known = this.#salts.get(tenantId)
    if (known !== undefined) return known
    const salt = createHmac('sha256', this.#secret).update(tenantId).digest('hex')
    if (this.#salts.size >= SALTS_MAX) this.#salts.clear()
    this.#salts.set(tenantId, salt)
    return salt
  }
}
