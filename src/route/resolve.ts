/**
 * Which targets of a route take a request, and in which order. Pure: what is known of the request,
 * of the targets and chance are handed in.
 */
import type { RequestFacts, Route, RouteTarget } from './types.ts'

/** True where something that is up can be asked. */
export type IsUp = (target: RouteTarget) => boolean

export interface TargetVerdict {
  target: RouteTarget
  /** Why it does not take the request, in a few words; null where it does. */
  misfit: string | null
  isUp: boolean
  /** Chance that it is the first to be asked, 0 to 1. */
  share: number
}

/**
 * The targets that take a request, the first to be asked first: those that are up before those that
 * are not, lower preference before higher, and within one preference by weighted draw without
 * replacement (each next target is drawn from those left, by weight).
 */
export function resolve(route: Route, facts: RequestFacts, isUp: IsUp): RouteTarget[] {
  const fitting = route.targets.filter((target) => misfitOf(target, facts) === null)
  if (fitting.length < 2) return fitting
  const ordered: RouteTarget[] = []
  let draw = facts.draw
  for (const level of levelsOf(fitting, isUp)) {
    while (level.length > 0) {
      const [index, rest] = drawn(level, draw)
      draw = rest
      ordered.push(...level.splice(index, 1))
    }
  }
  return ordered
}

/** Every target of a route with what speaks against it, in the order in which they are written. */
export function judge(
  route: Route,
  facts: Omit<RequestFacts, 'draw'>,
  isUp: IsUp,
): TargetVerdict[] {
  const isApart = ({ price }: RouteTarget) => route.overflow !== null && price !== null
  const fitting = route.targets.filter(
    (target) => misfitOf(target, facts) === null && !isApart(target),
  )
  const [first = []] = levelsOf(fitting, isUp)
  const weight = sumOfWeights(first)
  return route.targets.map((target) => ({
    target,
    misfit: misfitOf(target, facts),
    isUp: isUp(target),
    share: first.includes(target) ? target.weight / weight : 0,
  }))
}

/** What a tenant may spend a day on a route's rented targets, nanos. */
export function allowanceOf(
  { overflow }: Route,
  { tenantId, tenantName, serviceClass }: Omit<RequestFacts, 'draw'>,
): number {
  if (overflow === null || !overflow.classes.includes(serviceClass)) return 0
  const { allowances } = overflow
  const lower = tenantName.toLowerCase()
  const own = Object.keys(allowances).find((one) => one === tenantId || one.toLowerCase() === lower)
  return allowances[own ?? '*'] ?? 0
}

/** What of a target's conditions a request does not meet; null where it meets all. */
function misfitOf({ when }: RouteTarget, facts: Omit<RequestFacts, 'draw'>): string | null {
  const { tenants, classes, inputTokensMin = 0, inputTokensMax = Infinity } = when
  const { tenantId, tenantName, serviceClass, inputTokens } = facts
  if (tenants !== undefined && !isAmong(tenants, tenantId, tenantName)) {
    return `it is not for the tenant ${tenantName}`
  }
  if (classes !== undefined && !classes.includes(serviceClass)) {
    return `it is not for the class ${serviceClass}`
  }
  if (when.keyTags !== undefined && !hasAny(facts.keyTags, when.keyTags)) {
    return `it is for keys tagged ${when.keyTags.join(' or ')}`
  }
  if (when.requestTags !== undefined && !hasAny(facts.requestTags, when.requestTags)) {
    return `it is for requests tagged ${when.requestTags.join(' or ')}`
  }
  if (inputTokens < inputTokensMin) return `it is for prompts of ${inputTokensMin} tokens and more`
  if (inputTokens > inputTokensMax) return `it is for prompts of up to ${inputTokensMax} tokens`
  return null
}

const hasAny = (tags: readonly string[], wanted: readonly string[]) =>
  wanted.some((one) => tags.includes(one))

/** Names differ in more than their case, as everywhere. */
function isAmong(tenants: readonly string[], id: string, name: string): boolean {
  const lower = name.toLowerCase()
  return tenants.some((one) => one === id || one.toLowerCase() === lower)
}

/** Targets that are asked before the next ones are, in groups between which only weights decide. */
function levelsOf(targets: readonly RouteTarget[], isUp: IsUp): RouteTarget[][] {
  const levels = new Map<number, RouteTarget[]>()
  for (const target of targets) {
    const key = target.preference + (isUp(target) ? 0 : PREFERENCE_MAX + 1)
    const level = levels.get(key)
    if (level) level.push(target)
    else levels.set(key, [target])
  }
  return [...levels].sort(([a], [b]) => a - b).map(([, level]) => level)
}

export const PREFERENCE_MAX = 1000

/** Where a draw falls among weights, and what is left of it, which again is uniform in [0, 1). */
function drawn(level: readonly RouteTarget[], draw: number): [index: number, rest: number] {
  let left = draw * sumOfWeights(level)
  for (const [index, { weight }] of level.entries()) {
    if (left < weight || index === level.length - 1) {
      return [index, Math.min(left / weight, 1 - Number.EPSILON)]
    }
    left -= weight
  }
  return [0, draw]
}

const sumOfWeights = (targets: readonly RouteTarget[]) =>
  targets.reduce((sum, { weight }) => sum + weight, 0)
