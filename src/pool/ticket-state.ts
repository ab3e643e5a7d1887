/** A ticket in the scheduler: what was asked for, where it queues, and what it has received. */
import type { AccountRows } from './account-rows.ts'
import type { Arrival, EngineState, Gate, Lane, PoolGroup, TenantState } from './scheduler-types.ts'
import type { Account, Place, ShareTree } from './share-tree.ts'

export class TicketState {
  readonly arrival: Arrival
  readonly order: number
  lane: Lane
  state: 'waiting' | 'running' | 'gone' = 'waiting'
  engine: EngineState | undefined = undefined
  chargedInputTokens = 0
  /** Of its prompt, what counts as unread at its engine. */
  unreadTokens = 0
  outputTokens = 0
  /** Among those that need a place of the pool, which alone writes it. */
  isCounted = false
  // What the lists it stands in keep with it: the one of those that wait, a queue, that of those
  // that run.
  number = -1
  index = -1

  /** @param order arrival number; a smaller one goes first where all else is equal */
  constructor(arrival: Arrival, lane: Lane, order: number) {
    this.arrival = arrival
    this.lane = lane
    this.order = order
  }

  get deadlineMs(): number {
    return this.arrival.deadlineMs
  }

  /** Its rank in the last level. */
  get rank(): number {
    return this.lane.order === 'fair' ? this.arrival.deadlineMs : 0
  }

  get pool(): PoolGroup {
    return this.lane.pool
  }

  get tenant(): TenantState {
    return this.lane.tenant
  }

  /** Account of the last level, charged with service. */
  get account(): Account<TicketState> {
    return this.lane.place.account
  }

  /** Numbers of the accounts among which its own are. */
  get accounts(): AccountRows {
    return this.lane.accounts
  }

  get place(): Place<TicketState> {
    return this.lane.place
  }

  get tree(): ShareTree<TicketState> {
    return this.lane.place.tree
  }

  get tenantGate(): Gate {
    return this.lane.tenantGate
  }

  get keyGate(): Gate {
    return this.lane.keyGate
  }
}
