/**
 * Concurrency limits of tenants and keys: who is at one is taken out of selection until it opens.
 * Every tenant and key that waits or runs has a gate, limited or not, so that a limit set while
 * tickets run counts them.
 */
import type { Arrival, Gate, Lane } from './scheduler-types.ts'
import type { TicketState } from './ticket-state.ts'

/** Small enough to stand in the gate itself: reading a larger number is one more miss. */
const UNLIMITED = 2 ** 30

export class Gates {
  readonly #tenants = new Map<string, Gate>()
  readonly #keys = new Map<string, Gate>()

  /** The gate of a tenant; it stays as long as it has members. */
  ofTenant(id: string): Gate {
    return gateOf(this.#tenants, id)
  }

  /** The gate of a key; it stays as long as it has members. */
  ofKey(id: string): Gate {
    return gateOf(this.#keys, id)
  }

  /** A ticket waits or runs under both, with the limits that its arrival carries. */
  enter(lane: Lane, arrival: Arrival): void {
    const { tenantGate, keyGate } = lane
    if (lane.members++ === 0) {
      tenantGate.lanes++
      keyGate.lanes++
    }
    limit(tenantGate, arrival.tenantConcurrencyMax)
    limit(keyGate, arrival.keyConcurrencyMax)
  }

  /** The ticket neither waits nor runs any more. */
  leave({ lane }: TicketState): void {
    if (--lane.members > 0) return
    const { tenantGate, keyGate } = lane
    if (--tenantGate.lanes === 0) this.#tenants.delete(tenantGate.id)
    if (--keyGate.lanes === 0) this.#keys.delete(keyGate.id)
  }

  /** True where a limit keeps the ticket from running; its place is then parked at that limit. */
  park(ticket: TicketState): boolean {
    const { tenantGate, keyGate, place } = ticket
    if (tenantGate.inFlight >= tenantGate.limit) {
      const tenantPlace = place.parent?.parent
      if (tenantPlace) parkAt(tenantGate, tenantPlace)
      return true
    }
    if (keyGate.inFlight < keyGate.limit) return false
    parkAt(keyGate, place)
    return true
  }

  /** Which limit keeps the ticket waiting now, if one does. */
  blocking({ tenantGate, keyGate }: TicketState): 'tenant' | 'key' | undefined {
    if (tenantGate.inFlight >= tenantGate.limit) return 'tenant'
    return keyGate.inFlight >= keyGate.limit ? 'key' : undefined
  }

  take({ tenantGate, keyGate }: TicketState): void {
    tenantGate.inFlight++
    keyGate.inFlight++
  }

  release({ tenantGate, keyGate }: TicketState): void {
    tenantGate.inFlight--
    keyGate.inFlight--
    open(tenantGate)
    open(keyGate)
  }
}

function gateOf(gates: Map<string, Gate>, id: string): Gate {
  let gate = gates.get(id)
  if (gate === undefined) {
    gate = { limit: UNLIMITED, inFlight: 0, lanes: 0, parked: undefined, id }
    gates.set(id, gate)
  }
  return gate
}

function limit(gate: Gate, most: number | null): void {
  const bound = most ?? UNLIMITED
  if (gate.limit === bound) return
  gate.limit = bound
  open(gate)
}

function parkAt(gate: Gate, place: TicketState['place']): void {
  place.deactivate()
  place.parked = true
  gate.parked ??= new Set()
  gate.parked.add(place)
}

function open(gate: Gate): void {
  const { parked } = gate
  if (parked === undefined || gate.inFlight >= gate.limit) return
  gate.parked = undefined
  for (const place of parked) {
    place.parked = false
    place.activate()
  }
}
