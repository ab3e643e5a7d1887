/**
 * The barest scheduler that shares service: a heap of tenants by what they have received, and a
 * line of tickets for each, all of it numbers in arrays. It has no classes, levels, limits,
 * weights or engines, and cannot take a ticket back. As it does little but read and write memory,
 * what many tenants and a long queue cost it is what they cost memory.
 */
const NONE = -1
/** Numbers of a tenant and of a ticket: a line of the cache each. */
const ROW = 8
const [RECEIVED, WAITING, FIRST, LAST] = [0, 1, 2, 3]
const [TENANT, TOKENS, NEXT] = [0, 1, 2]
/** The keys of a node's children are a line of the cache too. */
const CHILDREN = 8
const OUTPUT_UNITS = 2

export class BarestScheduler {
  readonly #tenants: Float64Array
  readonly #tickets: Float64Array
  readonly #free: number[] = []
  /** Keys as they were when they were last looked at; received service only rises. */
  readonly #keys: number[] = []
  readonly #heap: number[] = []

  constructor(tenants: number, ticketsMax: number) {
    this.#tenants = new Float64Array(tenants * ROW)
    this.#tickets = new Float64Array(ticketsMax * ROW)
    for (let ticket = ticketsMax - 1; ticket >= 0; ticket--) this.#free.push(ticket)
  }

  arrive(tenant: number, inputTokens: number): void {
    const [tenants, tickets] = [this.#tenants, this.#tickets]
    const ticket = this.#free.pop()
    if (ticket === undefined) throw new Error('more tickets than there is room for')
    const [at, own] = [ticket * ROW, tenant * ROW]
    tickets[at + TENANT] = tenant
    tickets[at + TOKENS] = inputTokens
    tickets[at + NEXT] = NONE
    if (tenants[own + WAITING] === 0) {
      tenants[own + FIRST] = ticket
      this.#rise(this.#heap.length, tenant, tenants[own + RECEIVED] as number)
    } else {
      tickets[(tenants[own + LAST] as number) * ROW + NEXT] = ticket
    }
    tenants[own + LAST] = ticket
    ;(tenants[own + WAITING] as number)++
  }

  /** The first ticket of the tenant that has received least; undefined where none waits. */
  next(): number | undefined {
    const [tenants, tickets] = [this.#tenants, this.#tickets]
    for (;;) {
      const tenant = this.#heap[0]
      if (tenant === undefined) return undefined
      const own = tenant * ROW
      const received = tenants[own + RECEIVED] as number
      if (received !== this.#keys[0]) {
        this.#sink(tenant, received)
        continue
      }
      const ticket = tenants[own + FIRST] as number
      tenants[own + FIRST] = tickets[ticket * ROW + NEXT] as number
      tenants[own + RECEIVED] = received + (tickets[ticket * ROW + TOKENS] as number)
      if (--(tenants[own + WAITING] as number) === 0) this.#removeFirst()
      return ticket
    }
  }

  progress(ticket: number, tokens: number): void {
    const own = (this.#tickets[ticket * ROW + TENANT] as number) * ROW
    ;(this.#tenants[own + RECEIVED] as number) += tokens * OUTPUT_UNITS
  }

  finish(ticket: number): void {
    this.#free.push(ticket)
  }

  #removeFirst(): void {
    const [key, last] = [this.#keys.pop() as number, this.#heap.pop() as number]
    if (this.#heap.length > 0) this.#sink(last, key)
  }

  #rise(from: number, tenant: number, key: number): void {
    const [keys, heap] = [this.#keys, this.#heap]
    let at = from
    while (at > 0) {
      const above = Math.floor((at - 1) / CHILDREN)
      if ((keys[above] as number) <= key) break
      keys[at] = keys[above] as number
      heap[at] = heap[above] as number
      at = above
    }
    keys[at] = key
    heap[at] = tenant
  }

  /** Moves a tenant down from the head as far as it goes. */
  #sink(tenant: number, key: number): void {
    const [keys, heap] = [this.#keys, this.#heap]
    let at = 0
    for (;;) {
      let least = at
      let leastKey = key
      const end = Math.min(keys.length, at * CHILDREN + CHILDREN + 1)
      for (let child = at * CHILDREN + 1; child < end; child++) {
        if ((keys[child] as number) >= leastKey) continue
        least = child
        leastKey = keys[child] as number
      }
      if (least === at) break
      keys[at] = leastKey
      heap[at] = heap[least] as number
      at = least
    }
    keys[at] = key
    heap[at] = tenant
  }
}
