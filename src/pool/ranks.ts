/** How a ticket ranks inside an engine, by what its tenant has in flight. Pure. */
import { RANKS_PER_CLASS, type ServiceClass } from '../base/index.ts'
import type { PoolGroup, TenantState } from './scheduler-types.ts'
import type { TicketState } from './ticket-state.ts'

/** A tenant that leaves a quarter of what others do not use is no burden to them. */
const LIGHT_SHARE = 3 / 4
const WORST_IN_CLASS = RANKS_PER_CLASS - 1

/**
 * Rank of the ticket that its tenant runs next; the lower goes first. Class first; inside a class
 * all whose tenants ask for no more than their share, or than others leave, rank alike: nobody is
 * short of a place for them. Who asks for more ranks by the eighths of his share that his running
 * tickets of the same band fill, so that batch work in idle places costs no interactive standing.
 * For the same reason interactive shares are those among tenants with interactive work.
 */
export function rankOf({ pool, tenant, lane, accounts }: TicketState): number {
  const inFlight = accounts.inFlight(accounts.top(lane.row))
  const { isBackground, serviceClass } = lane
  const share = shareOf(pool, tenant, isBackground ? pool.activeWeight : pool.interactiveWeight)
  const filled = eighths(inFlight + 1, share)
  const enough = Math.max(share, LIGHT_SHARE * leftFor(pool, inFlight))
  const inClass = !isBackground && tenant.interactive <= enough ? 0 : Math.max(1, filled)
  return RANKS_PER_CLASS * classRank(serviceClass, filled) + Math.min(WORST_IN_CLASS, inClass)
}

const eighths = (places: number, share: number) => Math.floor((8 * places) / Math.max(share, 1e-9))

/** `priority` outranks standard only inside its tenant's share of the slots. */
function classRank(serviceClass: ServiceClass, filled: number): number {
  if (serviceClass === 'priority') return filled <= 8 ? 0 : 1
  return serviceClass === 'standard' ? 1 : serviceClass === 'flex' ? 2 : 3
}

/** Slots that a tenant is entitled to now: cap × weight ÷ weights of all who run or wait here. */
export function shareOf(
  pool: PoolGroup,
  { weight }: TenantState,
  weights = pool.activeWeight,
): number {
  return (capOf(pool) * weight) / Math.max(weights, weight)
}

const capOf = ({ engines }: PoolGroup) => engines.reduce((sum, engine) => sum + engine.cap, 0)

/** Slots that interactive work of others leaves to who has so many of them. */
function leftFor(pool: PoolGroup, inFlight: number): number {
  const interactive = pool.engines.reduce((sum, e) => sum + e.inFlight - e.background, 0)
  return capOf(pool) - interactive + inFlight
}
