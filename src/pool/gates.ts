/**
 * Concurrency limits of tenants and keys: who is at one is taken out of selection until it opens.
 */
import type { Arrival, Gate, TicketState } from './scheduler-types.ts'

export class Gates {
  readonly #tenants = new Map<string, Gate>()
  readonly #keys = new Map<string, Gate>()

  /** Notes the limits that an arrival carries and returns its key's gate, if it has one. */
  of(arrival: Arrival): Gate | undefined {
    set(this.#tenants, arrival.tenantId, arrival.tenantConcurrencyMax)
    return set(this.#keys, arrival.keyId, arrival.keyConcurrencyMax)
  }

  /** True where a limit keeps the ticket from running; its place is then parked at that limit. */
  park(ticket: TicketState): boolean {
    const tenant = this.#tenants.get(ticket.arrival.tenantId)
    if (tenant && tenant.inFlight >= tenant.limit) {
      const place = ticket.place.parent?.parent
      if (place) parkAt(tenant, place)
      return true
    }
    const key = ticket.keyGate
    if (key === undefined || key.inFlight < key.limit) return false
    parkAt(key, ticket.place)
    return true
  }

  /** Which limit keeps the ticket waiting now, if one does. */
  blocking(ticket: TicketState): 'tenant' | 'key' | undefined {
    const tenant = this.#tenants.get(ticket.arrival.tenantId)
    if (tenant && tenant.inFlight >= tenant.limit) return 'tenant'
    const key = ticket.keyGate
    return key && key.inFlight >= key.limit ? 'key' : undefined
  }

  take(ticket: TicketState): void {
    const tenant = this.#tenants.get(ticket.arrival.tenantId)
    if (tenant) tenant.inFlight++
    if (ticket.keyGate) ticket.keyGate.inFlight++
  }

  release(ticket: TicketState): void {
    giveBack(this.#tenants, ticket.arrival.tenantId, this.#tenants.get(ticket.arrival.tenantId))
    giveBack(this.#keys, ticket.arrival.keyId, ticket.keyGate)
  }
}

/**
 * Every tenant and key that runs has a gate, limited or not, so that a limit set while tickets run
 * counts them.
 */
function set(gates: Map<string, Gate>, id: string, limit: number | null): Gate {
  const bound = limit ?? Number.POSITIVE_INFINITY
  let gate = gates.get(id)
  if (gate === undefined) {
    gate = { limit: bound, inFlight: 0, parked: new Set() }
    gates.set(id, gate)
  } else if (gate.limit !== bound) {
    gate.limit = bound
    open(gate)
  }
  return gate
}

function parkAt(gate: Gate, place: TicketState['place']): void {
  place.deactivate()
  place.parked = true
  gate.parked.add(place)
}

function giveBack(gates: Map<string, Gate>, id: string, gate: Gate | undefined): void {
  if (gate === undefined) return
  gate.inFlight--
  open(gate)
  const isIdle = gate.inFlight === 0 && gate.parked.size === 0
  if (isIdle && gate.limit === Number.POSITIVE_INFINITY && gates.get(id) === gate) gates.delete(id)
}

function open(gate: Gate): void {
  if (gate.inFlight >= gate.limit) return
  for (const place of gate.parked) {
    place.parked = false
    place.activate()
  }
  gate.parked.clear()
}
