/**
 * The way of one routed request through the targets of its route: which is asked now, and which
 * when that one fails. A request for a model without a route has none.
 */
import { GristmillError } from '../base/index.ts'
import {
  allowanceOf,
  type RequestFacts,
  type Route,
  type RouteTarget,
  resolve,
} from '../route/index.ts'
import type { Principal } from '../tenancy/index.ts'
import { inputTokensMax } from './budget-request.ts'
import type { CanonicalRequest } from './canonical.ts'
import { withField, withMore } from './json-field.ts'
import { jsonOf } from './json-text.ts'
import type { ReplyHeaders } from './reply.ts'
import type { Standing } from './standing.ts'
import type { Allowances, GatewayOptions, Reservation, TargetPlaces } from './types.ts'

type CourseOptions = Pick<GatewayOptions, 'routes' | 'places' | 'allowances' | 'clock' | 'random'>

/** What a request may spend on rented targets, and on which. */
export interface Renting {
  targets: readonly RouteTarget[]
  allowances: Allowances
  tenantId: string
  allowance: number
}

export class Course {
  readonly route: Route
  readonly #targets: readonly RouteTarget[]
  readonly #places: TargetPlaces
  readonly #renting: Renting | null
  #at = 0
  /** The rented target of the moment, which overflow has chosen. */
  #rented: RouteTarget | undefined
  #reserved: Reservation | undefined
  #wasRented = false
  /** Of its prompt, once that was worked out: whoever waits may try again and again. */
  #inputTokensMax: number | undefined

  /**
   * @param targets at least one, the first to be asked first
   * @param renting where it may overflow to; null where it may not
   */
  constructor(
    route: Route,
    targets: readonly RouteTarget[],
    places: TargetPlaces,
    renting: Renting | null,
  ) {
    this.route = route
    this.#targets = targets
    this.#places = places
    this.#renting = renting
  }

  get target(): RouteTarget {
    return this.#rented ?? (this.#targets[this.#at] as RouteTarget)
  }

  /** The target that is paid for by the token; null where own engines are asked. */
  get rentedTarget(): string | null {
    return this.target.price === null ? null : nameOf(this.target)
  }

  /** True while it is with a rented target, from which it can go back; once. */
  get isOverflowing(): boolean {
    return this.#rented !== undefined
  }

  /** True while it may overflow; once, since a rented target that fails is no help again. */
  get mayRent(): boolean {
    return this.#renting !== null && !this.#wasRented
  }

  /** Goes over to a rented target whose price the day's allowance covers; false where none is. */
  rent(request: CanonicalRequest, outputTokensMax: number): boolean {
    if (this.#renting === null || this.#wasRented) return false
    const { targets, allowances, tenantId, allowance } = this.#renting
    // Of pictures nobody can say what they are at most.
    this.#inputTokensMax ??= inputTokensMax(request) ?? request.estimatedInputTokens
    const inputTokens = this.#inputTokensMax
    for (const target of targets) {
      if (!this.#places.isUp(this.#places.queueOf(target))) continue
      const most = costOf(target, inputTokens, outputTokensMax)
      const reserved = allowances.reserve(tenantId, this.route.name, most, allowance)
      if (reserved === null) continue
      this.#reserved = reserved
      this.#rented = target
      this.#wasRented = true
      return true
    }
    return false
  }

  /** Goes back from a rented target that is not up any more, where own engines are. */
  comeBack(): boolean {
    if (this.#rented === undefined || this.#places.isUp(this.queue)) return false
    const home = this.#targets[this.#at]
    if (home === undefined || !this.#places.isUp(this.#places.queueOf(home))) return false
    return this.advance()
  }

  /** What the answer cost, nanos; null where own engines gave it. To be asked once, at the end. */
  settle(inputTokens: number, outputTokens: number): number | null {
    const { target } = this
    const spent = target.price === null ? null : costOf(target, inputTokens, outputTokens)
    this.#giveBack(spent ?? 0)
    return spent
  }

  #giveBack(spentNanos: number): void {
    if (this.#reserved !== undefined) this.#renting?.allowances.settle(this.#reserved, spentNanos)
    this.#reserved = undefined
  }

  /** Where requests for the target of the moment queue. */
  get queue(): string {
    return this.#places.queueOf(this.target)
  }

  get hasNext(): boolean {
    return this.#rented !== undefined || this.#next() !== -1
  }

  /** Goes on to the next target that is up; false where there is none, and nothing changes. */
  advance(): boolean {
    if (this.#rented !== undefined) {
      // Back to where it waited.
      this.#rented = undefined
      this.#giveBack(0)
      return true
    }
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
    const { deprecation } = this.route
    const target = ['x-gristmill-target', encodeURI(nameOf(this.target))]
    if (this.#rented !== undefined) target.push('x-gristmill-overflow', 'true')
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
    const { outputTokensAsked, outputTokensAtMost, fields } = request
    // Two bounds would contradict each other.
    const hasBound = outputTokensAsked !== null || outputTokensAtMost !== null
    const isWanted = (name: string) => !(name in fields) && !(hasBound && BOUNDS.includes(name))
    const more = Object.fromEntries(Object.entries(defaults).filter(([name]) => isWanted(name)))
    return {
      ...request,
      outputTokensAsked: hasBound ? outputTokensAsked : boundIn(defaults),
      // The defaults are words of another wire.
      ownWords: undefined,
      fields: { ...fields, ...more },
      raw: withMore(request.raw, more),
    }
  }

  /** The request as the target of the moment knows it. */
  atTarget(request: CanonicalRequest): CanonicalRequest {
    const { model } = this.target
    if (request.fields.model === model) return request
    const raw = withField(request.raw, 'model', jsonOf(model))
    return { ...request, fields: { ...request.fields, model }, raw }
  }
}

const nameOf = ({ model, engine }: RouteTarget) => (engine === null ? model : `${model}@${engine}`)

function costOf({ price }: RouteTarget, inputTokens: number, outputTokens: number): number {
  if (price === null) return 0
  return price.inputNanos * inputTokens + price.outputNanos * outputTokens
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
  { routes, places, allowances, clock, random }: CourseOptions,
  request: CanonicalRequest,
  principal: Principal,
  { serviceClass, tags }: Pick<Standing, 'serviceClass' | 'tags'>,
): Course | undefined {
  const route = routes.find(request.model)
  if (route === undefined) return undefined
  const { deprecation } = route
  if (deprecation !== null && clock.nowMs() >= endOf(deprecation.date)) {
    throw retired(request.model, deprecation.date, deprecation.successor)
  }
  const { tenantId, tenantName, policy } = principal
  const inputTokens = request.estimatedInputTokens
  const facts: RequestFacts = {
    tenantId,
    tenantName,
    serviceClass,
    inputTokens,
    keyTags: policy.tags,
    requestTags: tags,
    draw: route.targets.length < 2 ? 0 : random.next(),
  }
  const targets = resolve(route, facts, (target) => places.isUp(places.queueOf(target)))
  const [own, rented] = parted(route, targets)
  const allowance = allowanceOf(route, facts)
  const renting = { targets: rented, allowances, tenantId, allowance }
  const mayRent = allowance > 0 && rented.length > 0
  if (own.length > 0) return new Course(route, own, places, mayRent ? renting : null)
  const details = { model: request.model, tenant: tenantName, class: serviceClass, inputTokens }
  throw new GristmillError('no_target', { ...details, param: 'model' })
}

/** In a route that overflows, rented targets stand apart from those that are asked first. */
function parted({ overflow }: Route, targets: readonly RouteTarget[]) {
  if (overflow === null) return [targets, []] as const
  const isOwn = ({ price }: RouteTarget) => price === null
  return [targets.filter(isOwn), targets.filter((one) => !isOwn(one))] as const
}

function retired(model: string, date: string, successor: string | null): GristmillError {
  const instead = successor === null ? 'nothing takes its place' : `ask for ${successor} instead`
  return new GristmillError('model_retired', { model, date, instead, param: 'model' })
}
