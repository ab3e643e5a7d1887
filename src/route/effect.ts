/**
 * What new routes change, and for whom: both sets are asked for every kind of request between which
 * they can tell, by the same verdicts as a request. Pure.
 */
import { isDeepStrictEqual } from 'node:util'
import { type ServiceClass, serviceClasses } from '../base/index.ts'
import { allowanceOf, type IsUp, judge } from './resolve.ts'
import {
  casesOf,
  signsOf,
  type TagName,
  type TagSign,
  tagNamesIn,
  tagsInCase,
} from './tag-cases.ts'
import type { Deprecation, Route } from './types.ts'

/** Where some requests go: every target that takes them. */
export interface TargetOutcome {
  model: string
  engine: string | null
  preference: number
  /** Chance that it is asked first, 0 to 1. */
  share: number
  isUp: boolean
  /** What may be spent on it in a day, nanos; null: it is not asked by overflow. */
  allowanceNanos: number | null
}

export interface TargetChange {
  kind: 'targets'
  /** What is asked for: names and aliases that change alike. */
  names: string[]
  tenants: string[]
  /** True where every tenant that is not named has the change as well. */
  others: boolean
  classes: ServiceClass[]
  inputTokensMin: number
  /** null: without end. */
  inputTokensMax: number | null
  /** Alternatives, each of tags that they have or have not; empty: whatever theirs are. */
  tags: TagSign[][]
  /** Empty: not answered. */
  before: TargetOutcome[]
  after: TargetOutcome[]
}

export type RouteChange =
  | TargetChange
  | {
      kind: 'defaults'
      names: string[]
      before: Route['defaults']
      after: Route['defaults']
    }
  | { kind: 'deprecation'; names: string[]; before: Deprecation | null; after: Deprecation | null }

/** What is around the routes. */
export interface Surroundings {
  tenants: readonly { id: string; name: string }[]
  isUp: IsUp
  /** Whether an engine has a model of this name, which answers where no route has the name. */
  isServed(model: string): boolean
}

type Side = Route | undefined
interface Asker {
  id: string
  name: string
}

/** Whoever no route names. */
const OTHERS: Asker = { id: '', name: '' }

/** Looks at a condition that are made for one comparison: a fraction of a second. */
const LOOKS_MAX = 2_000_000

export interface Effect {
  changes: RouteChange[]
  /** Names that differ and of which it was too much to say for whom. */
  unexamined: string[]
}

/** Every difference between two sets of routes that a client can notice. */
export function effectOf(
  before: readonly Route[],
  after: readonly Route[],
  around: Surroundings,
): Effect {
  const effect: Effect = { changes: [], unexamined: [] }
  let looks = 0
  for (const { names, old, now } of pairsOf(before, after)) {
    const sides = [old, now].filter((side) => side !== undefined)
    const askers = askersOf(sides, around.tenants)
    const scope = { askers, lengths: lengthsOf(sides), tags: tagNamesIn(sides) }
    looks += looksFor(sides, scope)
    if (looks > LOOKS_MAX) effect.unexamined.push(...names)
    else effect.changes.push(...targetChanges({ names, old, now }, scope, around))
    effect.changes.push(...settingChanges(names, old, now))
  }
  return effect
}

interface Pair {
  names: string[]
  old: Side
  now: Side
}

/** Between which requests a pair can tell. */
interface Scope {
  askers: readonly Asker[]
  lengths: readonly number[]
  tags: readonly TagName[]
}

function looksFor(sides: readonly Route[], { askers, lengths, tags }: Scope): number {
  const targets = sides.flatMap((side) => side.targets)
  const named = targets.reduce((sum, { when }) => sum + (when.tenants?.length ?? 0), 0)
  const kinds = askers.length * serviceClasses.length * lengths.length * casesOf(tags)
  return kinds * (targets.length + named)
}

/** Names by what had and has them, without those for which nothing is different. */
function pairsOf(before: readonly Route[], after: readonly Route[]): Pair[] {
  const [olds, news] = [byName(before), byName(after)]
  const pairs = new Map<string, Pair>()
  for (const name of new Set([...olds.keys(), ...news.keys()])) {
    const [old, now] = [olds.get(name), news.get(name)]
    if (old && now && isDeepStrictEqual(contentOf(old), contentOf(now))) continue
    // Where a name has no route it stands for a model, which is another one for every name.
    const key = JSON.stringify([old?.name, now?.name, ...(old && now ? [] : [name])])
    const pair = pairs.get(key)
    if (pair) pair.names.push(name)
    else pairs.set(key, { names: [name], old, now })
  }
  return [...pairs.values()]
}

const byName = (routes: readonly Route[]) =>
  new Map(routes.flatMap((route) => [route.name, ...route.aliases].map((name) => [name, route])))

const contentOf = ({ name: _name, aliases: _aliases, ...content }: Route) => content

/** The same kind of request, before and after; `where` says which kind. */
interface Cell {
  asker: Asker
  serviceClass: ServiceClass
  lengthAt: number
}

interface Difference {
  cells: Cell[]
  before: TargetOutcome[]
  after: TargetOutcome[]
}

type Untagged = Omit<TargetChange, 'kind' | 'names' | 'tags'>

/** Alike for several combinations of tags, a change is told once. */
function targetChanges(pair: Pair, scope: Scope, around: Surroundings): RouteChange[] {
  const found = new Map<string, { change: Untagged; cases: number[] }>()
  for (let number = 0; number < casesOf(scope.tags); number++) {
    for (const change of changesInCase(pair, scope, number, around)) {
      const key = JSON.stringify(change)
      const known = found.get(key)
      if (known) known.cases.push(number)
      else found.set(key, { change, cases: [number] })
    }
  }
  return [...found.values()].map(({ change, cases }) => ({
    kind: 'targets' as const,
    names: pair.names,
    ...change,
    tags: signsOf(scope.tags, cases),
  }))
}

function changesInCase(
  { names, old, now }: Pair,
  { askers, lengths, tags }: Scope,
  number: number,
  around: Surroundings,
): Untagged[] {
  const name = names[0] ?? ''
  const tagged = tagsInCase(tags, number)
  const outcomes = new Map<string, Difference>()
  for (const asker of askers) {
    for (const serviceClass of serviceClasses) {
      for (const [lengthAt, inputTokens] of lengths.entries()) {
        const who = { tenantId: asker.id, tenantName: asker.name, ...tagged }
        const facts = { ...who, serviceClass, inputTokens }
        const before = outcomeOf(old, name, facts, around)
        const after = outcomeOf(now, name, facts, around)
        if (isDeepStrictEqual(before, after)) continue
        const key = JSON.stringify([before, after])
        const found = outcomes.get(key) ?? { cells: [], before, after }
        found.cells.push({ asker, serviceClass, lengthAt })
        outcomes.set(key, found)
      }
    }
  }
  return [...outcomes.values()].flatMap(({ cells, before, after }) =>
    groupsOf(cells, lengths).map((group) => ({ ...group, before, after })),
  )
}

type Facts = Parameters<typeof judge>[1]

function outcomeOf(
  side: Side,
  name: string,
  facts: Facts,
  { isUp, isServed }: Surroundings,
): TargetOutcome[] {
  if (side === undefined) {
    if (!isServed(name)) return []
    const own = { engine: null, preference: 1, share: 1, isUp: true, allowanceNanos: null }
    return [{ model: name, ...own }]
  }
  const merged = new Map<string, TargetOutcome>()
  for (const verdict of judge(side, facts, isUp)) {
    if (verdict.misfit !== null) continue
    const { model, engine, preference, price } = verdict.target
    const isRented = side.overflow !== null && price !== null
    const allowanceNanos = isRented ? allowanceOf(side, facts) : null
    const outcome = { model, engine, preference, isUp: verdict.isUp, allowanceNanos }
    const key = JSON.stringify([preference, model, engine, isRented])
    const share = verdict.share + (merged.get(key)?.share ?? 0)
    merged.set(key, { ...outcome, share })
  }
  return [...merged]
    .sort(([a, one], [b, other]) => byTurn(one, other) || (a < b ? -1 : 1))
    .map(([, outcome]) => outcome)
}

/** In the order in which they are asked, as far as chance leaves one. */
const byTurn = (one: TargetOutcome, other: TargetOutcome) =>
  Number(one.allowanceNanos !== null) - Number(other.allowanceNanos !== null) ||
  Number(other.isUp) - Number(one.isUp) ||
  one.preference - other.preference ||
  other.share - one.share

/** Tenants that a condition or an allowance names, then one that stands for all others. */
function askersOf(sides: readonly Route[], tenants: Surroundings['tenants']): Asker[] {
  const named = new Set(
    sides
      .flatMap(({ targets, overflow }) => [
        ...targets.flatMap(({ when }) => when.tenants ?? []),
        ...Object.keys(overflow?.allowances ?? {}),
      ])
      .map((one) => one.toLowerCase()),
  )
  const isNamed = ({ id, name }: Asker) =>
    named.has(id.toLowerCase()) || named.has(name.toLowerCase())
  return [...tenants.filter(isNamed), OTHERS]
}

/** Where lengths of prompts begin between which a target tells a difference. */
function lengthsOf(sides: readonly Route[]): number[] {
  const starts = sides.flatMap(({ targets }) =>
    targets.flatMap(({ when: { inputTokensMin, inputTokensMax } }) => [
      ...(inputTokensMin === undefined ? [] : [inputTokensMin]),
      ...(inputTokensMax === undefined ? [] : [inputTokensMax + 1]),
    ]),
  )
  return [...new Set([0, ...starts])].sort((a, b) => a - b)
}

type Group = Pick<
  TargetChange,
  'tenants' | 'others' | 'classes' | 'inputTokensMin' | 'inputTokensMax'
>

/** Cells put together: lengths that follow each other, then classes, then tenants. */
function groupsOf(cells: readonly Cell[], lengths: readonly number[]): Group[] {
  const byRuns = Map.groupBy(
    Map.groupBy(cells, ({ asker, serviceClass }) => `${asker.id} ${serviceClass}`).values(),
    (same) => runsOf(same.map(({ lengthAt }) => lengthAt)).join(' '),
  )
  return [...byRuns.values()].flatMap((alike) => {
    const runs = runsOf(alike[0]?.map(({ lengthAt }) => lengthAt) ?? [])
    const asking = alike.flatMap(([cell]) => (cell === undefined ? [] : [cell]))
    const byAsker = [...Map.groupBy(asking, ({ asker }) => asker).entries()]
    const byClasses = Map.groupBy(byAsker, ([, own]) =>
      own.map(({ serviceClass }) => serviceClass).join(' '),
    )
    return [...byClasses.values()].flatMap((same) =>
      runs.map(([from, to]) => ({
        tenants: same.flatMap(([asker]) => (asker === OTHERS ? [] : [asker.name])),
        others: same.some(([asker]) => asker === OTHERS),
        classes: same[0]?.[1].map(({ serviceClass }) => serviceClass) ?? [],
        inputTokensMin: lengths[from] ?? 0,
        inputTokensMax: endOf(lengths[to + 1]),
      })),
    )
  })
}

const endOf = (next: number | undefined) => (next === undefined ? null : next - 1)

/** @param numbers rising. @returns first and last of each run without a gap */
function runsOf(numbers: readonly number[]): [number, number][] {
  const runs: [number, number][] = []
  for (const one of numbers) {
    const last = runs.at(-1)
    if (last && last[1] === one - 1) last[1] = one
    else runs.push([one, one])
  }
  return runs
}

function settingChanges(names: string[], old: Side, now: Side): RouteChange[] {
  const [defaultsBefore, defaultsAfter] = [old?.defaults ?? {}, now?.defaults ?? {}]
  const [endBefore, endAfter] = [old?.deprecation ?? null, now?.deprecation ?? null]
  return [
    ...(!isDeepStrictEqual(defaultsBefore, defaultsAfter)
      ? [{ kind: 'defaults' as const, names, before: defaultsBefore, after: defaultsAfter }]
      : []),
    ...(!isDeepStrictEqual(endBefore, endAfter)
      ? [{ kind: 'deprecation' as const, names, before: endBefore, after: endAfter }]
      : []),
  ]
}
