import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { EngineCircuit } from './engine-circuit.ts'
import { RetryBudgets } from './retry-budget.ts'

type Outcome = 'ok' | 'failed'

const QUIET = { dueAtMs: 0, readMs: 0, runningPaceMs: null, peer: null }

/** Ends requests one after another, a tenth of a second apart. */
function end(circuit: EngineCircuit, fromMs: number, outcomes: readonly Outcome[]): number {
  let nowMs = fromMs
  for (const outcome of outcomes) {
    nowMs += 100
    circuit.began(nowMs)
    circuit.heard(nowMs)
    if (outcome === 'ok') circuit.succeeded(nowMs, 10, 1)
    else circuit.failed(nowMs)
    circuit.left()
  }
  return nowMs
}

const times = <T>(count: number, value: T): T[] => Array.from({ length: count }, () => value)

/** Looks every second until it is tried again. */
function untilHalfOpen(circuit: EngineCircuit, fromMs: number): number {
  let nowMs = fromMs
  while (circuit.state !== 'half-open') {
    nowMs += 1000
    circuit.look(nowMs, QUIET)
    assert.ok(nowMs < fromMs + 100_000)
  }
  return nowMs
}

describe('the circuit of an engine', () => {
  it('opens after failures in a row, whatever went well before', () => {
    const circuit = new EngineCircuit()
    const nowMs = end(circuit, 0, times(500, 'ok'))
    end(circuit, nowMs, ['failed', 'failed'])
    assert.equal(circuit.state, 'closed')
    end(circuit, nowMs, ['failed'])
    assert.equal(circuit.state, 'open')
    assert.ok(circuit.isNews && circuit.reason !== '')
  })

  it('opens where a third and more fail, and not for a few among many', () => {
    const half = new EngineCircuit()
    end(half, 0, ['failed', 'ok', 'failed', 'ok', 'failed'])
    assert.equal(half.state, 'open')
    const few = new EngineCircuit()
    end(few, 0, [...times<Outcome>(20, 'ok'), 'failed', 'ok', 'failed', 'ok', 'failed', 'ok'])
    assert.equal(few.state, 'closed')
  })

  it('is tried one request at a time, and closes after two good ones', () => {
    const circuit = new EngineCircuit()
    let nowMs = end(circuit, 0, times(3, 'failed'))
    assert.equal(circuit.takesMore, false)
    nowMs = untilHalfOpen(circuit, nowMs)
    assert.equal(circuit.places, 1)
    assert.equal(circuit.takesMore, true)
    circuit.began(nowMs)
    assert.equal(circuit.takesMore, false)
    circuit.left()
    nowMs = end(circuit, nowMs, ['ok'])
    assert.equal(circuit.state, 'half-open')
    end(circuit, nowMs, ['ok'])
    assert.equal(circuit.state, 'closed')
  })

  it('stays open longer each time it fails again, up to half a minute', () => {
    const circuit = new EngineCircuit()
    let nowMs = end(circuit, 0, times(3, 'failed'))
    const waits: number[] = []
    for (let round = 0; round < 8; round++) {
      const tried = untilHalfOpen(circuit, nowMs)
      waits.push(Math.round((tried - nowMs) / 1000))
      nowMs = end(circuit, tried, ['failed'])
      assert.equal(circuit.state, 'open')
    }
    assert.deepEqual(waits, [1, 2, 4, 8, 16, 30, 30, 30])
  })

  it('opens for an engine that is silent with work in hand, not for one that has none', () => {
    const circuit = new EngineCircuit()
    end(circuit, 0, times(10, 'ok'))
    circuit.look(60_000, QUIET)
    assert.equal(circuit.state, 'closed', 'nobody waits for it')
    circuit.began(60_000)
    circuit.look(61_000, QUIET)
    assert.equal(circuit.state, 'closed')
    circuit.look(62_000, { ...QUIET, readMs: 5000 })
    assert.equal(circuit.state, 'closed', 'it may still read')
    circuit.look(62_000, QUIET)
    assert.equal(circuit.state, 'open')
  })

  it('bears silences as long as those that are usual', () => {
    const circuit = new EngineCircuit()
    for (let nowMs = 0; nowMs < 60_000; nowMs += 6000) {
      circuit.began(nowMs)
      circuit.heard(nowMs + 5000)
      circuit.succeeded(nowMs + 5000, 10, 1)
      circuit.left()
    }
    circuit.began(60_000)
    circuit.look(70_000, QUIET)
    assert.equal(circuit.state, 'closed')
    circuit.look(78_000, QUIET)
    assert.equal(circuit.state, 'open')
  })

  it('bears as much silence as whole answers take, and no more, and does not learn it', () => {
    const circuit = new EngineCircuit()
    let nowMs = end(circuit, 0, times(10, 'ok'))
    circuit.began(nowMs)
    const dueAtMs = nowMs + circuit.wholeMsMax(1000)
    assert.equal(dueAtMs - nowMs, 40_000, 'four times as long as usual')
    circuit.look(nowMs + 40_000, { ...QUIET, dueAtMs })
    assert.equal(circuit.state, 'closed')
    circuit.heard(nowMs + 40_000)
    circuit.look(nowMs + 42_000, QUIET)
    assert.equal(circuit.state, 'open', 'a stream may not be silent for as long')
    nowMs = untilHalfOpen(circuit, nowMs + 42_000)
    circuit.look(nowMs + 2000, { ...QUIET, dueAtMs: nowMs })
    assert.equal(circuit.state, 'open')
    assert.equal(new EngineCircuit().wholeMsMax(1), Number.POSITIVE_INFINITY, 'nothing is known')
  })

  it('opens for one that has fallen behind itself and its peers, not behind only one of them', () => {
    const seen = (runningPaceMs: number, peerMs: number | null, slowdown = 1) => {
      const circuit = new EngineCircuit()
      const nowMs = end(circuit, 0, times(10, 'ok'))
      circuit.began(nowMs)
      const peer = peerMs === null ? null : { ms: peerMs, slowdown }
      circuit.look(nowMs + 1000, { dueAtMs: 0, readMs: 0, runningPaceMs, peer })
      return circuit.state
    }
    assert.equal(seen(100, 12), 'open')
    assert.equal(seen(30, 5), 'closed', 'a slow engine among fast ones is no fault')
    assert.equal(seen(100, 12, 8), 'closed', 'everybody is slow')
    assert.equal(seen(100, 90), 'closed', 'slow as it is, the other is no better')
    assert.equal(seen(100, null), 'closed', 'there is nobody else')
  })

  it('does not close for good answers that come as slowly as those that opened it', () => {
    const circuit = new EngineCircuit()
    let nowMs = end(circuit, 0, times(10, 'ok'))
    circuit.began(nowMs)
    circuit.look(nowMs, {
      dueAtMs: 0,
      readMs: 0,
      runningPaceMs: 100,
      peer: { ms: 10, slowdown: 1 },
    })
    nowMs = untilHalfOpen(circuit, nowMs)
    circuit.succeeded(nowMs, 100, 1)
    assert.equal(circuit.state, 'half-open', 'one may be chance')
    circuit.succeeded(nowMs, 100, 1)
    assert.equal(circuit.state, 'open')
  })

  it('closes for answers that are slow where its peers are as slow', () => {
    const circuit = new EngineCircuit()
    let nowMs = end(circuit, 0, [...times<Outcome>(10, 'ok'), ...times<Outcome>(3, 'failed')])
    nowMs = untilHalfOpen(circuit, nowMs)
    circuit.look(nowMs, { ...QUIET, peer: { ms: 100, slowdown: 8 } })
    circuit.succeeded(nowMs, 100, 1)
    circuit.succeeded(nowMs, 100, 1)
    assert.equal(circuit.state, 'closed')
  })

  it('compares a lone request with lone ones, which are quicker than those among many', () => {
    const circuit = new EngineCircuit()
    const many = 8
    for (let round = 0; round < 10; round++) {
      end(circuit, round * 10_000, ['ok'])
      const begun = times(many, 0).map(() => circuit.began(round * 10_000 + 1000))
      for (const running of begun) {
        circuit.succeeded(round * 10_000 + 2000, 50, running)
        circuit.left()
      }
    }
    circuit.began(100_000)
    circuit.look(100_000, {
      dueAtMs: 0,
      readMs: 0,
      runningPaceMs: 500,
      peer: { ms: 50, slowdown: 1 },
    })
    circuit.left()
    const nowMs = untilHalfOpen(circuit, 100_000)
    circuit.began(nowMs)
    circuit.succeeded(nowMs, 100, 1)
    circuit.succeeded(nowMs, 100, 1)
    assert.equal(circuit.state, 'open', 'twice as slow as among many, ten times as alone')
  })

  it('never takes more than one untried request, and always comes to be tried again', () => {
    const event = fc.constantFrom('ok', 'failed', 'look', 'begin', 'slow')
    fc.assert(
      fc.property(fc.array(event, { maxLength: 200 }), (events) => {
        const circuit = new EngineCircuit()
        let nowMs = 0
        for (const one of events) {
          nowMs += 250
          const before = circuit.state
          if (one === 'look') circuit.look(nowMs, QUIET)
          else if (one === 'begin' && circuit.takesMore) circuit.began(nowMs)
          else if (circuit.running > 0 && one !== 'begin') {
            if (one === 'failed') circuit.failed(nowMs)
            else circuit.succeeded(nowMs, one === 'slow' ? 500 : 10, 1)
            circuit.left()
          }
          if (before === 'closed') assert.notEqual(circuit.state, 'half-open')
          if (before === 'open') assert.notEqual(circuit.state, 'closed')
          assert.equal(circuit.state === 'closed', circuit.reason === '')
        }
        for (let i = 0; i < 31 && circuit.state === 'open'; i++) {
          nowMs += 1000
          circuit.look(nowMs, QUIET)
        }
        assert.notEqual(circuit.state, 'open')
      }),
    )
  })
})

describe('the retries of a model', () => {
  it('are a tenth of its requests and a few for the moment, and come back with time', () => {
    const budgets = new RetryBudgets()
    const taken = (nowMs: number, attempts: number, places: number) => {
      let count = 0
      while (budgets.take('small', nowMs, attempts, places)) count++
      return count
    }
    assert.equal(taken(1000, 0, 1), 10)
    assert.equal(taken(2000, 0, 8), 6, 'twice the places of its engines')
    assert.equal(taken(3000, 1000, 8), 100)
    assert.equal(taken(4000, 1000, 8), 0)
    assert.equal(taken(64_000, 1000, 8), 116)
  })

  it('are of each model, and of none once a minute has gone by', () => {
    const budgets = new RetryBudgets()
    for (let i = 0; i < 100; i++) assert.ok(budgets.take(`model ${i}`, 1000, 0, 1))
    assert.equal(budgets.size, 100)
    assert.ok(budgets.take('another', 62_000, 0, 1))
    assert.equal(budgets.size, 1)
  })
})
