/** What happens when another gateway took the database over while it was away from this one. */
import type { RequestLedger } from '../gateway/index.ts'
import type { Lease } from '../store/index.ts'

/**
 * The ledger, which takes nothing new while another gateway has the right to schedule: both would
 * divide the same engines. What runs already is booked as ever.
 */
export function ledgerWhileOurs(ledger: RequestLedger, lease: Pick<Lease, 'state'>): RequestLedger {
  return {
    open: (intent) => ledger.open(intent),
    progress: (requestId, progress) => ledger.progress(requestId, progress),
    settle: (settlement) => ledger.settle(settlement),
    healthy: () => ledger.healthy() && otherHolder(lease) === undefined,
  }
}

/** Who schedules in our place, in words; undefined while nobody does. */
export function otherHolder(lease: Pick<Lease, 'state'>): string | undefined {
  const state = lease.state()
  return state.kind === 'taken' ? state.holder : undefined
}
