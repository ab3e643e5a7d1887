/** Targets, conditions and changes of routes in words. */
import type {
  GuardView,
  RouteChangeView,
  RouteSetView,
  RouteTargetView,
  RouteView,
  TargetChangeView,
  TargetOutcomeView,
} from '../api/contract.ts'
import { money } from '../parts/money.ts'
import { count, listed, percent, plural } from '../units.ts'

const CLASSES = 4

export const placeOf = ({ model, engine }: Pick<RouteTargetView, 'model' | 'engine'>) =>
  engine === null ? model : `${model} on ${engine}`

/** Who and what a target takes; empty: everything. */
export function conditionsOf({ when }: RouteTargetView): string {
  const { tenants, classes, keyTags, requestTags } = when
  const { inputTokensMin: min, inputTokensMax: max } = when
  return [
    ...(tenants ? [`for ${listed(tenants)}`] : []),
    ...(classes ? [classes.join(', ')] : []),
    ...(keyTags ? [`keys tagged ${keyTags.join(' or ')}`] : []),
    ...(requestTags ? [`requests tagged ${requestTags.join(' or ')}`] : []),
    ...(min === undefined && max === undefined ? [] : [lengthsInWords(min ?? 0, max ?? null)]),
  ].join('; ')
}

function lengthsInWords(min: number, max: number | null): string {
  if (max === null) return `prompts of ${count(min)} tokens and more`
  return min === 0
    ? `prompts of up to ${count(max)} tokens`
    : `prompts of ${count(min)} to ${count(max)} tokens`
}

/** A target's place among those of its route. */
export function rankOf(target: RouteTargetView, { targets, overflow }: RouteView): string {
  if (overflow !== null && target.price !== null) return 'by overflow'
  const own = targets.filter(({ price }) => overflow === null || price === null)
  const same = own.filter(({ preference }) => preference === target.preference)
  const levels = [...new Set(own.map(({ preference }) => preference))].sort((a, b) => a - b)
  const level = levels.indexOf(target.preference)
  const order = level === 0 ? '' : level === 1 ? 'then ' : `as number ${level + 1} `
  if (same.length === 1) return level === 0 ? (own.length > 1 ? 'first' : '') : order.trim()
  const total = same.reduce((sum, { weight }) => sum + weight, 0)
  return `${order}${percent(target.weight / total)}`
}

/** @param requests of the last minutes, by name */
export function routesSentence(
  set: RouteSetView | undefined,
  requests: ReadonlyMap<string, number>,
  minutes: number,
): string {
  if (set === undefined) return 'Looking up the routes.'
  const { routes } = set
  if (routes.length === 0) return 'No routes yet: applications ask for models by their own names.'
  const names = new Set(routes.flatMap(({ name, aliases }) => [name, ...aliases]))
  const all = [...requests.values()].reduce((sum, one) => sum + one, 0)
  const routed = [...requests].reduce((sum, [name, one]) => sum + (names.has(name) ? one : 0), 0)
  const models = new Set(routes.flatMap(({ targets }) => targets.map(({ model }) => model)))
  const stand = routes.length === 1 ? 'stands' : 'stand'
  const head = `${plural(routes.length, 'route')} ${stand} before ${plural(models.size, 'model')}.`
  if (all === 0) return `${head} Nobody asked for anything in the last ${minutes} minutes.`
  const share = `${percent(routed / all)} of the last ${minutes} minutes’ requests`
  return `${head} ${share} asked for one of them.`
}

/** What becomes of the guards that hold; empty where there are none, now and then. */
export function guardsInWords(now: readonly GuardView[], then: readonly GuardView[]): string {
  if (now.length + then.length === 0) return ''
  const text = (guard: GuardView) => JSON.stringify(guard)
  const without = (some: readonly GuardView[], others: readonly GuardView[]) =>
    some.filter(({ name }) => !others.some((other) => other.name === name))
  const changed = then.filter((guard) =>
    now.some((other) => other.name === guard.name && text(other) !== text(guard)),
  )
  const said = (guards: readonly GuardView[], one: string, several: string) =>
    guards.length === 0
      ? []
      : [`${listed(guards.map(({ name }) => name))} ${guards.length === 1 ? one : several}`]
  const parts = [
    ...said(without(now, then), 'goes', 'go'),
    ...said(without(then, now), 'comes', 'come'),
    ...said(changed, 'changes', 'change'),
  ]
  return parts.length === 0 ? 'Guards stay as they are.' : `Guards: ${parts.join('; ')}.`
}

/** Whom a change is for. */
export function whoseInWords(change: RouteChangeView): string {
  if (change.kind !== 'targets') return 'everybody'
  const { tenants, others, classes, inputTokensMin: min, inputTokensMax: max } = change
  const rest = tenants.length === 0 ? 'everybody' : 'everybody else'
  const who = listed([...tenants, ...(others ? [rest] : [])])
  const kinds = classes.length === CLASSES ? '' : `, ${listed(classes)}`
  const isAny = min === 0 && max === null
  const tagged = change.tags.map(signsInWords).join(', or ')
  const lengths = isAny ? '' : `, ${lengthsInWords(min, max)}`
  return `${who}${kinds}${lengths}${tagged === '' ? '' : `, ${tagged}`}`
}

const signsInWords = (signs: TargetChangeView['tags'][number]) =>
  listed(signs.map(({ of, tag, has }) => `${of} ${has ? '' : 'not '}tagged ${tag}`))

export function sideInWords(change: RouteChangeView, side: 'before' | 'after'): string {
  if (change.kind === 'targets') return outcomesInWords(change[side])
  if (change.kind === 'defaults') {
    const entries = Object.entries(change[side])
    if (entries.length === 0) return 'no defaults'
    return entries.map(([name, value]) => `${name} ${JSON.stringify(value)}`).join(', ')
  }
  const deprecation = change[side]
  if (deprecation === null) return 'no end'
  const { date, successor } = deprecation
  return `answered until ${date}${successor === null ? '' : `, then ask for ${successor}`}`
}

function outcomesInWords(outcomes: TargetChangeView['before']): string {
  if (outcomes.length === 0) return 'not answered'
  return outcomes.map(outcomeInWords).join('; ')
}

function outcomeInWords(outcome: TargetOutcomeView): string {
  const { share, isUp, allowanceNanos } = outcome
  const place = placeOf(outcome)
  if (allowanceNanos === 0) return `${place} never: no allowance`
  if (allowanceNanos !== null)
    return `${place} by overflow, up to ${money(BigInt(allowanceNanos))} a day`
  const down = isUp ? '' : ' (down now)'
  if (share === 1) return `${place}${down}`
  return share > 0 ? `${percent(share)} ${place}${down}` : `then ${place}${down}`
}
