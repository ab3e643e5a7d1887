/**
 * The way of one routed request through the targets of its route: which is asked now, and which
 * when that one fails. A request for a model without a route has none.
 */
import { GristmillError } from '../base/index.ts'
import { type RequestFacts, type Route, type RouteTarget, resolve } from '../route/index.ts'
import type { Principal } from '../tenancy/index.ts'
import type { CanonicalRequest } from './canonical.ts'
import { jsonOf } from './json-text.ts'
import type { ReplyHeaders } from './reply.ts'
import type { Standing } from './standing.ts'
import type { GatewayOptions, TargetPlaces } from './types.ts'

type CourseOptions = Pick<GatewayOptions, 'routes' | 'places' | 'clock' | 'random'>

export class Course {
  readonly route: Route
  readonly #targets: readonly RouteTarget[]
  readonly #places: TargetPlaces
  #at = 0

  /** @param targets at least one, the first to be asked first */
  constructor(route: Route, targets: readonly RouteTarget[], places: TargetPlaces) {
    this.route = route
    this.#targets = targets
    this.#places = places
  }

  get target(): RouteTarget {
    return this.#targets[this.#at] as RouteTarget
  }

  /** Where requests for the target of the moment queue. */
  get queue(): string {
    return this.#places.queueOf(this.target)
  }

  get hasNext(): boolean {
    return this.#next() !== -1
  }

  /** Goes on to the next target that is up; false where there is none, and nothing changes. */
  advance(): boolean {
    const next = this.#next()
    if (next === -1) return false
    this.#at = next
    return true
  }

  #next(): number {
    const isUp = (target: RouteTarget) => this.#places.isUp(this.#places.queueOf(target))
    return this.#targets.findIndex((target, index) => index > this.#at && isUp(target))
  }

  /** What every answer says of the route. */
  headers(): ReplyHeaders {
    const { model, engine } = this.target
    const named = engine === null ? model : `${model}@${engine}`
    const { deprecation } = this.route
    const target = ['x-gristmill-target', encodeURI(named)]
    if (deprecation === null) return target
    const { successor } = deprecation
    const sunset = ['sunset', new Date(endOf(deprecation.date)).toUTCString()]
    if (successor === null) return [...target, ...sunset]
    return [...target, ...sunset, 'x-gristmill-successor', encodeURI(successor)]
  }

  /** The request with what the route says for those that do not say it themselves. */
  withDefaults(request: CanonicalRequest): CanonicalRequest {
    const { defaults } = this.route
    if (request.endpoint === '/v1/embeddings' || Object.keys(defaults).length === 0) return request
    const fields = { ...defaults, ...request.fields }
    if (request.outputTokensAsked !== null) {
      // Two bounds would contradict each other.
      for (const name of BOUNDS) if (!(name in request.fields)) delete fields[name]
    }
    const asked = request.outputTokensAsked ?? boundIn(defaults)
    return {
      ...request,
      outputTokensAsked: asked,
      fields,
      raw: Buffer.from(jsonOf(fields)),
    }
  }

  /** The request as the target of the moment knows it. */
  atTarget(request: CanonicalRequest): CanonicalRequest {
    const { model } = this.target
    if (request.fields.model === model) return request
    const fields = { ...request.fields, model }
    return { ...request, fields, raw: Buffer.from(jsonOf(fields)) }
  }
}

const BOUNDS = ['max_tokens', 'max_completion_tokens']

function boundIn(defaults: Route['defaults']): number | null {
  for (const name of BOUNDS) {
    const value = defaults[name]
    if (typeof value === 'number') return value
  }
  return null
}

const endOf = (date: string) => Date.parse(`${date}T00:00:00Z`)

/**
 * The way of a request; undefined where its model has no route.
 * @throws GristmillError `model_retired`, `no_target`
 */
export function courseFor(
  { routes, places, clock, random }: CourseOptions,
  request: CanonicalRequest,
  principal: Principal,
  { serviceClass }: Pick<Standing, 'serviceClass'>,
): Course | undefined {
  const route = routes.find(request.model)
  if (route === undefined) return undefined
  const { deprecation } = route
  if (deprecation !== null && clock.nowMs() >= endOf(deprecation.date)) {
    throw retired(request.model, deprecation.date, deprecation.successor)
  }
  const { tenantId, tenantName } = principal
  const inputTokens = request.estimatedInputTokens
  const facts: RequestFacts = {
    tenantId,
    tenantName,
    serviceClass,
    inputTokens,
    draw: route.targets.length < 2 ? 0 : random.next(),
  }
  const targets = resolve(route, facts, (target) => places.isUp(places.queueOf(target)))
  if (targets.length > 0) return new Course(route, targets, places)
  const details = { model: request.model, tenant: tenantName, class: serviceClass, inputTokens }
  throw new GristmillError('no_target', { ...details, param: 'model' })
}

function retired(model: string, date: string, successor: string | null): GristmillError {
  const instead = successor === null ? 'nothing takes its place' : `ask for ${successor} instead`
  return new GristmillError('model_retired', { model, date, instead, param: 'model' })
}
