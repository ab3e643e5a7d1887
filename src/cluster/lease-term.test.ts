import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { type Random, seededRandom } from '../base/index.ts'
import { LEASE_MS, LeaseTerm } from './lease-term.ts'

/** The lease as the database keeps it, by a clock of its own. */
class StoredLease {
  holder = -1
  token = 0
  #endsMs = Number.NEGATIVE_INFINITY

  renew(gateway: number, token: number, nowMs: number): boolean {
    if (gateway !== this.holder || token !== this.token) return false
    this.#endsMs = nowMs + LEASE_MS
    return true
  }

  take(gateway: number, nowMs: number): number | null {
    if (nowMs <= this.#endsMs) return null
    this.holder = gateway
    this.#endsMs = nowMs + LEASE_MS
    return ++this.token
  }
}

interface Gateway {
  term: LeaseTerm
  /** Its monotonic clock is as far from the database's as this. */
  offsetMs: number
  isPausedUntilMs: number
  /** Answers of the database that are on their way. */
  answers: { atMs: number; deliver: () => void }[]
}

function play(random: Random): { holders: number; most: number; tokensFell: boolean } {
  const lease = new StoredLease()
  const gateways: Gateway[] = Array.from({ length: 3 }, () => ({
    term: new LeaseTerm(),
    offsetMs: (random.next() - 0.5) * 60_000,
    isPausedUntilMs: 0,
    answers: [],
  }))
  let most = 0
  let tokensFell = false
  let highest = 0
  for (let nowMs = 0; nowMs < 60_000; nowMs += 50) {
    for (const [i, gateway] of gateways.entries()) {
      if (random.next() < 0.002) gateway.isPausedUntilMs = nowMs + random.next() * 8000
      if (gateway.isPausedUntilMs > nowMs) continue
      const due = gateway.answers.filter(({ atMs }) => atMs <= nowMs)
      gateway.answers = gateway.answers.filter(({ atMs }) => atMs > nowMs)
      for (const { deliver } of due) deliver()
      if (random.next() < 0.1) ask(i, gateway, lease, nowMs, random)
    }
    const valid = gateways.filter(({ term, offsetMs }) => term.isValid(nowMs + offsetMs))
    most = Math.max(most, valid.length)
    for (const { term } of valid) {
      tokensFell ||= term.token < highest
      highest = Math.max(highest, term.token)
    }
  }
  return { holders: highest, most, tokensFell }
}

/** The statement takes its time to the database, and the answer its time back. */
function ask(i: number, gateway: Gateway, lease: StoredLease, nowMs: number, random: Random): void {
  const { term, offsetMs } = gateway
  const sentAtMs = nowMs + offsetMs
  const reachesMs = nowMs + random.next() ** 4 * 2000
  const answersMs = reachesMs + random.next() ** 4 * 2000
  const wanted = term.token
  const token =
    lease.holder === i && lease.renew(i, wanted, reachesMs) ? wanted : lease.take(i, reachesMs)
  const deliver = () => {
    if (token === null) term.ended()
    else term.granted(token, sentAtMs)
  }
  gateway.answers.push({ atMs: answersMs, deliver })
}

describe('the term of a lease', () => {
  const seed = 20_261_129

  it(`never has two who believe in it, whatever is paused or late (seed ${seed})`, () => {
    const random = seededRandom(seed)
    let holders = 0
    for (let i = 0; i < 60; i++) {
      const played = play(random)
      assert.ok(played.most <= 1, `${played.most} gateways scheduled at once in play ${i}`)
      assert.equal(played.tokensFell, false)
      holders += played.holders
    }
    assert.ok(holders > 200, `only ${holders} changes of the holder were played`)
  })

  it('counts from when it was asked for, and from the latest of two answers', () => {
    const term = new LeaseTerm()
    term.granted(1, 1000)
    assert.equal(term.isValid(1000 + LEASE_MS - 501), true)
    assert.equal(term.isValid(1000 + LEASE_MS - 500), false)
    term.granted(1, 2000)
    term.granted(1, 500)
    assert.equal(term.isValid(2000 + LEASE_MS - 501), true)
  })

  it('is not made longer by an answer from an earlier term', () => {
    const term = new LeaseTerm()
    term.granted(3, 1000)
    term.granted(2, 9000)
    assert.equal(term.token, 3)
    assert.equal(term.isValid(5000), false)
  })
})
