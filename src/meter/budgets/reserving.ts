/**
 * Setting aside what a request can cost at most, in every budget that applies, before it runs: at
 * once where leases cover it, else after asking, and where only what is set aside for others stands
 * in the way, after waiting for that.
 */
import { type Clock, decimalOf, GristmillError } from '../../base/index.ts'
import type { Applied } from './budget-list.ts'
import type { Budget, Cost } from './budget-types.ts'
import { Hold, leftOf } from './hold.ts'
import type { Claim, CounterState, Taken } from './lease-book.ts'
import type { LeaseKeeper } from './lease-keeper.ts'

/** A request as far as budgets depend on it. */
export interface BudgetRequest {
  /** What it costs at most with so many output tokens; null: nobody can say. */
  costMax(outputTokens: number): Cost | null
  /** Of all answers together, at most. */
  outputTokens: number
  /** Fewer make no sense. */
  outputTokensMin: number
  /** True where an answer can be bounded anew. */
  mayClamp: boolean
  /** Longest wait that it takes, milliseconds. */
  waitMsMax: number
  /** True where money depends on the time at an engine. */
  costsTime: boolean
}

export interface ReservingOptions {
  keeper: LeaseKeeper
  clock: Clock
  currency: string
  /** Longest wait for what is set aside for others, milliseconds. */
  waitMsMax: number
}

/** What is freed by other gateways is told; this is for when that is lost. */
const POLL_MS = 250

/**
 * @param applied at least one
 * @throws GristmillError `budget_unbounded`
 */
export function reserve(
  options: ReservingOptions,
  applied: readonly Applied[],
  request: BudgetRequest,
): Hold | Promise<Hold> {
  const { keeper } = options
  const { outputTokens } = request
  const claims = claimsOf(applied, request, outputTokens)
  const taken = keeper.take(claims)
  if (typeof taken !== 'string') return held(keeper, applied, request, taken, outputTokens)
  return waitFor(options, applied, request)
}

async function waitFor(
  options: ReservingOptions,
  applied: readonly Applied[],
  request: BudgetRequest,
): Promise<Hold> {
  const { keeper, clock } = options
  const { outputTokens } = request
  const claims = claimsOf(applied, request, outputTokens)
  const untilMs = clock.monotonicMs() + Math.min(options.waitMsMax, request.waitMsMax)
  for (;;) {
    const taken = keeper.take(claims)
    if (typeof taken !== 'string') return held(keeper, applied, request, taken, outputTokens)
    const short = applied[claims.findIndex(({ counterId }) => counterId === taken)]
    const claim = claims.find(({ counterId }) => counterId === taken)
    if (short === undefined || claim === undefined) throw new Error(`nothing asks for ${taken}`)
    const state = await keeper.ask(claim)
    if (keeper.room(claim.counterId) >= claim.amount) continue
    const isTooMuch = claim.amount > leftOf(state)
    const leftMs = untilMs - clock.monotonicMs()
    if (isTooMuch || leftMs <= 0) {
      const clamped = await clampedTo(options, applied, request)
      if (clamped !== null) return clamped
      // With what is set aside given back an answer may still fit, if only a shorter one.
      const mayFitLater = short.budget.clamps && request.mayClamp && state.leased > 0n
      if (leftMs <= 0 || !mayFitLater) {
        const least = short.budget.clamps ? leastOf(short, request, claim) : claim.amount
        throw refusalOf(options, short, claim, least, state)
      }
    }
    await keeper.change(claim.counterId, Math.min(leftMs, POLL_MS))
  }
}

/** As many output tokens as there is room for; null where that is none, or it may not be. */
async function clampedTo(
  options: ReservingOptions,
  applied: readonly Applied[],
  request: BudgetRequest,
): Promise<Hold | null> {
  const { keeper } = options
  if (!request.mayClamp) return null
  const isShort = ({ counterId, amount }: Claim) => available(keeper, counterId) < amount
  const full = claimsOf(applied, request, request.outputTokens)
  if (applied.some(({ budget }, at) => isShort(full[at] as Claim) && !budget.clamps)) return null
  let [fits, tooMany] = [0, request.outputTokens]
  while (tooMany - fits > 1) {
    const middle = (fits + tooMany) >> 1
    if (claimsOf(applied, request, middle).some(isShort)) tooMany = middle
    else fits = middle
  }
  if (fits < request.outputTokensMin) return null
  const claims = claimsOf(applied, request, fits)
  for (const claim of claims) {
    if (keeper.room(claim.counterId) < claim.amount) await keeper.ask(claim)
  }
  const taken = keeper.take(claims)
  return typeof taken === 'string' ? null : held(keeper, applied, request, taken, fits)
}

function held(
  keeper: LeaseKeeper,
  applied: readonly Applied[],
  request: BudgetRequest,
  taken: readonly Taken[],
  outputTokens: number,
): Hold {
  const isTimed = applied.some(
    ({ budget: { isHard, unit } }) =>
      isHard && (unit === 'engine_seconds' || (unit === 'money' && request.costsTime)),
  )
  const ms = isTimed ? request.costMax(outputTokens)?.engine_seconds : undefined
  const isClamped = outputTokens < request.outputTokens
  const engineMsMax = ms === undefined ? null : Number(ms)
  return new Hold({ keeper, applied, taken, outputTokens, isClamped, engineMsMax })
}

/** What is here already, and what the database had left when it was asked. */
function available(keeper: LeaseKeeper, counterId: string): bigint {
  const state = keeper.stateOf(counterId)
  const free = state === undefined ? 0n : state.limit - state.spent - state.leased
  return keeper.room(counterId) + (free > 0n ? free : 0n)
}

/** @throws GristmillError `budget_unbounded` */
function claimsOf(
  applied: readonly Applied[],
  request: BudgetRequest,
  outputTokens: number,
): Claim[] {
  const cost = request.costMax(outputTokens)
  return applied.map(({ budget, counterId }) => {
    if (!budget.isHard) return { counterId, amount: 0n }
    if (cost === null) throw new GristmillError('budget_unbounded', { budget: budget.name })
    return { counterId, amount: cost[budget.unit] }
  })
}

/** What it would cost with the shortest answer that it may be bounded to. */
function leastOf({ budget }: Applied, request: BudgetRequest, { amount }: Claim): bigint {
  if (!request.mayClamp) return amount
  return request.costMax(request.outputTokensMin)?.[budget.unit] ?? amount
}

/** @param least what it has to have of the budget */
function refusalOf(
  { clock, currency }: ReservingOptions,
  { budget, bounds }: Applied,
  { amount }: Claim,
  least: bigint,
  state: CounterState,
): GristmillError {
  // Prepaid credit grows with what is paid in.
  if (least > state.limit && !budget.isPrepaid) {
    const [limit, needed] = [state.limit, least].map((one) => inWords(budget, one, currency))
    return new GristmillError('budget_too_small', { budget: budget.name, limit, needed })
  }
  const left = leftOf(state)
  const details = {
    budget: budget.name,
    left: inWords(budget, left, currency),
    needed: inWords(budget, amount, currency),
    renewsAt: bounds.endMs === Infinity ? null : new Date(bounds.endMs).toISOString(),
  }
  if (amount <= left) {
    return new GristmillError('budget_reserved', details, { retryAfterMs: RETRY_AFTER_MS })
  }
  if (bounds.endMs === Infinity) return new GristmillError('budget_used_up', details)
  const retryAfterMs = Math.max(0, bounds.endMs - clock.nowMs())
  return new GristmillError('budget_exceeded', details, { retryAfterMs })
}

const RETRY_AFTER_MS = 2000

/** An amount with its unit. */
export function inWords({ unit }: Pick<Budget, 'unit'>, amount: bigint, currency: string): string {
  if (unit === 'money') return `${decimalOf(amount)} ${currency}`
  if (unit === 'tokens') return `${amount} tokens`
  return `${Number(amount) / 1000} engine-seconds`
}
