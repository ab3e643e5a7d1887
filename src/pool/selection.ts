/** Which waiting ticket goes next; the order of `measures`: class within shares, then counters. */
import { warmest } from './affinity.ts'
import type { BandState, EngineState, PoolGroup, SchedulerConfig } from './scheduler-types.ts'
import type { Place, ShareTree } from './share-tree.ts'
import type { TicketState } from './ticket-state.ts'

type IsClosed = (ticket: TicketState) => boolean
type Tree = ShareTree<TicketState>
type TenantPlace = Place<TicketState>

/**
 * Sequences in flight as interactive work meets them: background work that can stand aside on a
 * spare sequence takes no place from it.
 */
export function interactiveLoad({ inFlight, background, spare = 0 }: EngineState): number {
  return inFlight - Math.min(background, spare)
}

/** Tenants looked at when an express place is free; the newcomer is near the head of the line. */
const EXPRESS_SCAN_MAX = 31

export const hasCap = (engine: EngineState) =>
  interactiveLoad(engine) < engine.cap && engine.inFlight < engine.open
/**
 * What is reserved is kept from background work, not from use: so many interactive requests at once
 * never wait for it. An idle engine takes one line whatever is reserved.
 */
export const hasBackgroundCap = (engine: EngineState) =>
  engine.inFlight < Math.min(engine.cap, engine.open) &&
  (engine.background < engine.cap - engine.backgroundReserve || engine.inFlight === 0)
export const hasExpress = (engine: EngineState) =>
  interactiveLoad(engine) < engine.cap + engine.express && engine.inFlight < engine.open

export function selectInteractive(
  pool: PoolGroup,
  config: SchedulerConfig,
  isClosed: IsClosed,
): TicketState | undefined {
  return selectInBand(pool, pool.bands.interactive, config, hasCap, isClosed)
}

export function selectBackground(
  pool: PoolGroup,
  config: SchedulerConfig,
  isClosed: IsClosed,
): TicketState | undefined {
  return selectInBand(pool, pool.bands.background, config, hasBackgroundCap, isClosed)
}

function selectInBand(
  pool: PoolGroup,
  band: BandState,
  config: SchedulerConfig,
  hasRoom: (engine: EngineState) => boolean,
  isClosed: IsClosed,
): TicketState | undefined {
  for (;;) {
    const upper = firstPlace(pool, band.upper, hasRoom)
    const lower = firstPlace(pool, band.lower, hasRoom)
    if (!upper && !lower) return undefined
    const own = upper && ownLower(pool, band, upper.account, hasRoom)
    const chosen = chooseLevel(band, upper, lower, own, config)
    // Among tenants only where no second class is to be weighed against the first.
    const from = upper && lower ? chosen : chosen.tree.root
    const isByPrefix = pool.engines.length > 1 && config.order === 'fair'
    const ticket = (isByPrefix && warmest(pool, from, config, hasRoom)) || headOf(chosen)
    if (isClosed(ticket)) continue
    countBypass(band, chosen, chosen === upper && own !== undefined)
    return ticket
  }
}

/**
 * The upper class goes first while its tenant has received no more than its share plus a fixed
 * advance, so that a flood in it gains the advance once and then competes by counter.
 */
function chooseLevel(
  band: BandState,
  upper: TenantPlace | undefined,
  lower: TenantPlace | undefined,
  own: TenantPlace | undefined,
  config: SchedulerConfig,
): TenantPlace {
  if (!upper || !lower) return (upper ?? lower) as TenantPlace
  const account = upper.account
  const time = Math.min(account.counter, lower.account.counter)
  if (own && (band.bypasses.get(account.key) ?? 0) >= config.bypassMax) return own
  const isWithinShare = account.counter <= time + config.priorityAdvanceUnits / account.weight
  return isWithinShare || account.counter <= lower.account.counter ? upper : lower
}

/** Counts upper tickets that passed a waiting lower one of the same tenant. */
function countBypass(band: BandState, chosen: TenantPlace, isBypass: boolean): void {
  const { bypasses } = band
  if (!isBypass && bypasses.size === 0) return
  const { key } = chosen.account
  if (isBypass) bypasses.set(key, (bypasses.get(key) ?? 0) + 1)
  else bypasses.delete(key)
}

/** Where the same account waits with tickets of the lower class that could run now. */
function ownLower(
  pool: PoolGroup,
  band: BandState,
  account: TenantPlace['account'],
  hasRoom: (engine: EngineState) => boolean,
): TenantPlace | undefined {
  return account.places.find(
    (place) =>
      place.index >= 0 &&
      band.lower.get(place.tree.model) === place.tree &&
      pool.engines.some((e) => hasRoom(e) && e.models.includes(place.tree.model)),
  )
}

/** The tenant with the smallest counter in these trees whose model has room. */
function firstPlace(
  pool: PoolGroup,
  trees: Map<string, Tree>,
  hasRoom: (engine: EngineState) => boolean,
): TenantPlace | undefined {
  let best: TenantPlace | undefined
  for (const tree of trees.values()) {
    const place = tree.root.peek()
    if (!place || (best && best.account.counter <= place.account.counter)) continue
    if (pool.engines.some((e) => hasRoom(e) && e.models.includes(tree.model))) best = place
  }
  return best
}

/** The ticket that goes first of a tenant who waits. */
const headOf = (tenant: TenantPlace) => tenant.head() as TicketState

/**
 * A ticket for an express sequence: interactive, of a tenant with fewer tickets in flight than its
 * share of the cap, so that a newcomer does not wait for a slot to drain. It must not have run
 * ahead of its share of service either: where shares are fractions of a slot, slots alone would
 * hand the extra sequence to whoever has none, again and again, past the bound of fairness.
 */
export function selectExpress(
  pool: PoolGroup,
  config: SchedulerConfig,
  isClosed: IsClosed,
): TicketState | undefined {
  const cap = pool.engines.reduce((sum, engine) => sum + engine.cap, 0)
  const { root, upper, lower } = pool.bands.interactive
  const time = root.leastWaiting()
  const mayRun = (place: TenantPlace) => {
    const { counter, key, weight } = place.account
    const tenant = pool.tenants.get(key)
    if (!tenant || counter > time + config.expressAdvanceUnits / weight) return false
    return tenant.inFlight * pool.activeWeight < cap * tenant.weight
  }
  for (const trees of [upper, lower]) {
    const ticket = expressIn(pool, trees, mayRun, isClosed)
    if (ticket) return ticket
  }
  return undefined
}

function expressIn(
  pool: PoolGroup,
  trees: Map<string, Tree>,
  mayRun: (place: TenantPlace) => boolean,
  isClosed: IsClosed,
): TicketState | undefined {
  for (const tree of trees.values()) {
    if (!pool.engines.some((e) => hasExpress(e) && e.models.includes(tree.model))) continue
    for (;;) {
      const place = firstAmong(tree.root, mayRun)
      if (place === undefined) break
      const ticket = headOf(place)
      if (!isClosed(ticket)) return ticket
    }
  }
  return undefined
}

/** The smallest counter among the top of the heap's levels that may run. */
function firstAmong(
  places: TenantPlace,
  mayRun: (place: TenantPlace) => boolean,
): TenantPlace | undefined {
  let best: TenantPlace | undefined
  const count = Math.min(places.size, EXPRESS_SCAN_MAX)
  for (let i = 0; i < count; i++) {
    const place = places.at(i) as TenantPlace
    if (best && best.account.counter <= place.account.counter) continue
    if (mayRun(place)) best = place
  }
  return best
}
