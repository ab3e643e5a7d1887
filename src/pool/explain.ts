/** "Why am I waiting": position, reason and expected wait of a ticket, in a tenant's words. */

import { shareOf } from './ranks.ts'
import type { PoolGroup, TenantState } from './scheduler-types.ts'
import type { TicketState } from './ticket-state.ts'
import type { WaitReason } from './types.ts'

export interface Explanation {
  aheadOwn: number
  aheadOthers: number
  reason: WaitReason
  why: string
  expectedWaitMs: number | null
  basis: string
}

export interface ExplainContext {
  /** Which concurrency limit holds the ticket back, if one does. */
  blocking: 'tenant' | 'key' | undefined
  /** Own tickets of the same band that arrived earlier and still wait. */
  aheadOwn: number
  /** Tickets the pool dispatched per second lately. */
  dispatchPerS: number
  /** Mean service of a ticket in the last minute, units. */
  unitsPerTicket: number
}

/** Explains one waiting ticket. Costs one pass over the tenants that wait beside it. */
export function explain(ticket: TicketState, context: ExplainContext): Explanation {
  const { pool, tenant } = ticket
  const isServed = pool.engines.some((e) => e.cap > 0 && e.models.includes(ticket.arrival.model))
  const aheadOthers = othersAhead(ticket, context)
  const reason = reasonOf(ticket, context, isServed)
  const ahead = context.aheadOwn + aheadOthers
  const isKnown = isServed && context.blocking === undefined && context.dispatchPerS > 0
  return {
    aheadOwn: context.aheadOwn,
    aheadOthers,
    reason,
    why: sentence(reason, pool, tenant, ticket),
    expectedWaitMs: isKnown ? Math.round(((ahead + 1) / context.dispatchPerS) * 1000) : null,
    basis: isKnown
      ? `${ahead} ahead, ${context.dispatchPerS.toFixed(2)} started per second lately`
      : unknownBecause(isServed, context),
  }
}

function reasonOf(ticket: TicketState, context: ExplainContext, isServed: boolean): WaitReason {
  if (!isServed) return 'no_healthy_engine'
  if (context.blocking === 'tenant') return 'concurrency_limit'
  if (context.blocking === 'key') return 'key_concurrency_limit'
  const { pool, tenant, arrival } = ticket
  const isBackground = arrival.serviceClass === 'flex' || arrival.serviceClass === 'batch'
  if (isBackground && pool.engines.some((e) => e.inFlight < e.cap)) return 'background_reserve'
  if (context.aheadOwn > 0) return 'own_queue'
  const hasOthers = pool.tenants.size > 1
  return hasOthers && tenant.inFlight >= shareOf(pool, tenant) ? 'tenant_share' : 'engine_full'
}

function sentence(
  reason: WaitReason,
  pool: PoolGroup,
  tenant: TenantState,
  ticket: TicketState,
): string {
  const slots = pool.engines.reduce((sum, engine) => sum + engine.cap, 0)
  switch (reason) {
    case 'no_healthy_engine':
      return `No healthy engine serves ${ticket.arrival.model} at the moment.`
    case 'concurrency_limit':
      return `The tenant runs ${tenant.inFlight} requests, which is its limit.`
    case 'key_concurrency_limit':
      return `The key runs ${ticket.keyGate.inFlight} requests, which is its limit.`
    case 'background_reserve':
      return 'Free slots are kept for people who wait; background work runs when they stay free.'
    case 'own_queue':
      return 'Own requests that came earlier go first.'
    case 'tenant_share':
      return `The tenant's share is used: it runs ${tenant.inFlight} of ${slots} slots.`
    case 'engine_full':
      return `All ${slots} slots are busy; the next free one goes by share.`
  }
}

function unknownBecause(isServed: boolean, context: ExplainContext): string {
  if (!isServed) return 'unknown: no engine is up'
  if (context.blocking !== undefined) return 'unknown: it depends on when own requests end'
  return 'unknown: nothing was started in the last minute'
}

/**
 * Tickets of other tenants that are expected to start first: while this tenant starts
 * `aheadOwn + 1` tickets, each other starts as many by weight, more if it has received less so far.
 */
function othersAhead(ticket: TicketState, context: ExplainContext): number {
  const { account } = ticket
  const project = account.parent
  const tenantAccount = project?.parent
  const root = tenantAccount?.parent
  if (!tenantAccount || !root) return 0
  const turns = context.aheadOwn + 1
  let total = 0
  for (const place of ticket.tree.root.members()) {
    const other = place.account
    if (other === tenantAccount) continue
    const behind = (tenantAccount.counter - other.counter) * other.weight
    const expected =
      behind / context.unitsPerTicket + ((turns - 1) * other.weight) / tenantAccount.weight
    total += place.waitingUpTo(Math.max(0, Math.ceil(expected)))
  }
  return total
}
