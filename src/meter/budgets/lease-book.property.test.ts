/**
 * Gateways with a lease book each, and a counter that leases as the database does, against random
 * requests, crashes, stalls and times: spent and leased never pass the limit, whatever happens.
 */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { LeaseBook, type Taken } from './lease-book.ts'

const LIMIT = 2000n
const TTL_MS = 100
const COUNTER = 'bud_1|0|'

interface Lease {
  amount: bigint
  expiresAtMs: number
}
interface Open {
  holder: string
  taken: Taken
  /** What the engine has done, part of which was durable when it crashed. */
  spent: bigint
}

/** As `lease_budget`, `book_budget_spends` and `reclaim_budget_leases` do it. */
class Counter {
  spent = 0n
  /** What settled requests have spent and nobody has booked yet. */
  noted: { holder: string; amount: bigint }[] = []
  readonly leases = new Map<string, Lease>()

  get leased(): bigint {
    return [...this.leases.values()].reduce((sum, { amount }) => sum + amount, 0n)
  }

  lease(holder: string, need: bigint, want: bigint, nowMs: number): bigint {
    this.book()
    const free = LIMIT - this.spent - this.leased
    if (need <= 0n || free < need) return 0n
    const wanted = want < free / 8n ? want : free / 8n
    const given = wanted > need ? wanted : need
    const before = this.leases.get(holder)?.amount ?? 0n
    this.leases.set(holder, { amount: before + given, expiresAtMs: nowMs + TTL_MS })
    return given
  }

  take(holder: string, most: bigint): void {
    const lease = this.leases.get(holder)
    if (lease) lease.amount -= lease.amount < most ? lease.amount : most
  }

  book(): void {
    for (const { holder, amount } of this.noted.splice(0)) {
      this.take(holder, amount)
      this.spent += amount
    }
  }

  /** @param open as it was found before what is noted is booked */
  reclaim(open: readonly Open[], nowMs: number): void {
    this.book()
    for (const [holder, lease] of this.leases) {
      if (lease.expiresAtMs >= nowMs) continue
      const mine = open.filter((one) => one.holder === holder)
      const kept = mine.reduce((sum, { taken }) => sum + taken.amount, 0n)
      if (kept < lease.amount) lease.amount = kept
      if (kept === 0n) this.leases.delete(holder)
    }
  }
}

class Gateway {
  book = new LeaseBook()
  open: Open[] = []
  readonly #counter: Counter
  name: string

  constructor(name: string, counter: Counter) {
    this.name = name
    this.#counter = counter
  }

  holder(): string {
    return `${this.name}/${this.book.epochOf(COUNTER)}`
  }

  request(amount: bigint, nowMs: number): boolean {
    const claims = [{ counterId: COUNTER, amount }]
    const taken = this.book.take(claims, nowMs)
    if (typeof taken !== 'string') return this.#opened(taken)
    this.ask(amount, nowMs)
    const again = this.book.take(claims, nowMs)
    return typeof again !== 'string' && this.#opened(again)
  }

  ask(amount: bigint, nowMs: number): void {
    if (this.book.hasRunOut(COUNTER, nowMs)) this.book.lost(COUNTER)
    const need = amount - this.book.room(COUNTER, nowMs)
    const granted = this.#counter.lease(this.holder(), need, 16n * need, nowMs)
    const lease = { counterId: COUNTER, amount: granted, epoch: this.book.epochOf(COUNTER) }
    const { spent, leased } = this.#counter
    this.book.granted(lease, nowMs + TTL_MS, { spent, leased, limit: LIMIT })
  }

  /** The oldest request ends. */
  end(share: number): void {
    const one = this.open.shift()
    if (one === undefined) return
    const spent = (one.taken.amount * BigInt(Math.round(share * 100))) / 100n
    this.book.settle(one.taken, spent)
    this.#counter.noted.push({ holder: one.holder, amount: spent })
  }

  giveBack(): void {
    const holder = this.holder()
    this.#counter.take(holder, this.book.takeUnused(COUNTER))
  }

  renew(nowMs: number): void {
    const lease = this.#counter.leases.get(this.holder())
    if (lease !== undefined && lease.expiresAtMs > nowMs) {
      lease.expiresAtMs = nowMs + TTL_MS
      this.book.renewed(COUNTER, nowMs + TTL_MS)
    } else this.book.lost(COUNTER)
  }

  #opened([taken]: Taken[]): boolean {
    if (taken) this.open.push({ holder: this.holder(), taken, spent: 0n })
    return true
  }
}

type Step =
  | { kind: 'request'; gateway: number; amount: number }
  | { kind: 'end'; gateway: number; share: number }
  | { kind: 'crash' | 'giveBack' | 'renew'; gateway: number }
  | { kind: 'recover'; share: number }
  | { kind: 'wait'; ms: number }
  | { kind: 'reclaim' }

const gateway = fc.nat({ max: 2 })
const share = fc.double({ min: 0, max: 1, noNaN: true })
const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record({
      kind: fc.constant('request' as const),
      gateway,
      amount: fc.integer({ min: 1, max: 300 }),
    }),
  },
  { weight: 5, arbitrary: fc.record({ kind: fc.constant('end' as const), gateway, share }) },
  {
    weight: 2,
    arbitrary: fc.record({
      kind: fc.constantFrom('crash' as const, 'giveBack' as const, 'renew' as const),
      gateway,
    }),
  },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('recover' as const), share }) },
  {
    weight: 2,
    arbitrary: fc.record({ kind: fc.constant('wait' as const), ms: fc.nat({ max: 150 }) }),
  },
  { weight: 2, arbitrary: fc.constant({ kind: 'reclaim' as const }) },
)

describe('leases', () => {
  it('never let gateways spend more than the limit, over crashes, stalls and expiry', () => {
    fc.assert(
      fc.property(fc.array(step, { minLength: 20, maxLength: 200 }), (steps) => {
        const counter = new Counter()
        let crashes = 0
        let nowMs = 0
        const gateways = [0, 1, 2].map((at) => new Gateway(`g${at}`, counter))
        const orphans: Open[] = []
        for (const one of steps) {
          const acting = 'gateway' in one ? gateways[one.gateway] : undefined
          if (one.kind === 'request') acting?.request(BigInt(one.amount), nowMs)
          else if (one.kind === 'end') acting?.end(one.share)
          else if (one.kind === 'giveBack') acting?.giveBack()
          else if (one.kind === 'renew') acting?.renew(nowMs)
          else if (one.kind === 'wait') nowMs += one.ms
          else if (one.kind === 'crash') {
            orphans.push(...(acting?.open ?? []))
            gateways[one.gateway] = new Gateway(`g${one.gateway}-${++crashes}`, counter)
          } else if (one.kind === 'recover') {
            const found = orphans.shift()
            const part = BigInt(Math.round(one.share * 100))
            const amount = found ? (found.taken.amount * part) / 100n : 0n
            if (found) counter.noted.push({ holder: found.holder, amount })
          } else counter.reclaim([...orphans, ...gateways.flatMap(({ open }) => open)], nowMs)
          const noted = counter.noted.reduce((sum, { amount }) => sum + amount, 0n)
          assert.ok(counter.spent + counter.leased <= LIMIT, `${one.kind} at ${nowMs}`)
          assert.ok(counter.spent + noted <= LIMIT, `${one.kind} at ${nowMs}`)
        }
      }),
      { seed: Number(process.env.SEED ?? 3), numRuns: 400 },
    )
  })

  it('are taken whole or not at all, and come back whole', () => {
    const book = new LeaseBook()
    const state = { spent: 0n, leased: 0n, limit: 1000n }
    const lease = (counterId: string, amount: bigint) =>
      book.granted({ counterId, amount, epoch: book.epochOf(counterId) }, 100, state)
    lease('a', 100n)
    lease('b', 10n)
    const both = [
      { counterId: 'a', amount: 50n },
      { counterId: 'b', amount: 20n },
    ]
    assert.equal(book.take(both, 0), 'b')
    assert.equal(book.room('a', 0), 100n)
    lease('b', 10n)
    const taken = book.take(both, 0)
    assert.ok(typeof taken !== 'string')
    assert.deepEqual([book.room('a', 0), book.room('b', 0)], [50n, 0n])
    book.settle(taken[1] as Taken, 5n)
    assert.equal(book.room('b', 0), 15n)
    assert.equal(book.room('b', 100), 0n, 'what has expired is worth nothing')
    assert.equal(book.takeUnused('a'), 50n)
    assert.equal(book.take([{ counterId: 'a', amount: 1n }], 0), 'a')
  })

  it('owe nothing for what was spent while a budget was soft', () => {
    const book = new LeaseBook()
    const soft = book.take([{ counterId: 'a', amount: 0n }], 0)
    assert.ok(typeof soft !== 'string')
    book.settle(soft[0] as Taken, 70n)
    const state = { spent: 70n, leased: 20n, limit: 100n }
    book.granted({ counterId: 'a', amount: 20n, epoch: book.epochOf('a') }, 100, state)
    assert.equal(book.room('a', 0), 20n)
  })
})
