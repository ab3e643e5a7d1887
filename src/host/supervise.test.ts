import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { FakeClock } from '../base/index.ts'
import type { Child, ChildExit } from './child.ts'
import { type SupervisionEvent, supervise } from './supervise.ts'

/** A child that ends when the test says so. */
function fakeChild(pid: number) {
  const { promise, resolve } = Promise.withResolvers<ChildExit>()
  const end = () => {
    resolve({ code: 1, signal: null })
    return promise
  }
  const child: Child = { pid, exited: promise, stop: end, kill: end }
  return { child, crash: end }
}

/** Lets everything that is already decided happen. */
const settle = () => new Promise((resolve) => setImmediate(resolve))

async function setUp() {
  const clock = new FakeClock()
  const children: ReturnType<typeof fakeChild>[] = []
  const events: SupervisionEvent[] = []
  const failures: Error[] = []
  const supervised = await supervise({
    clock,
    start: async () => {
      const failure = failures.pop()
      if (failure) throw failure
      const made = fakeChild(children.length + 1)
      children.push(made)
      return made.child
    },
    onEvent: (event) => events.push(event),
  })
  const crash = async () => {
    void children.at(-1)?.crash()
    await settle()
  }
  const advance = async (ms: number) => {
    clock.advance(ms)
    await settle()
  }
  const pauses = () => events.flatMap((e) => ('restartInMs' in e ? [e.restartInMs] : []))
  return { supervised, children, events, failures, crash, advance, pauses }
}

describe('supervision', () => {
  it('starts a child that crashed again, waiting longer each time up to a bound', async () => {
    const { children, crash, advance, pauses } = await setUp()
    for (let i = 0; i < 8; i++) {
      await crash()
      await advance(pauses().at(-1) ?? 0)
    }
    assert.deepEqual(pauses(), [250, 500, 1000, 2000, 4000, 8000, 10_000, 10_000])
    assert.equal(children.length, 9)
  })

  it('does not start it before the pause is over', async () => {
    const { children, crash, advance } = await setUp()
    await crash()
    await advance(249)
    assert.equal(children.length, 1)
    await advance(1)
    assert.equal(children.length, 2)
  })

  it('forgets earlier crashes after a healthy minute', async () => {
    const { crash, advance, pauses } = await setUp()
    await crash()
    await advance(250)
    await crash()
    await advance(500)
    await advance(60_000)
    await crash()
    assert.deepEqual(pauses(), [250, 500, 250])
  })

  it('goes on trying when a restart fails', async () => {
    const { children, failures, events, crash, advance } = await setUp()
    failures.push(new Error('no memory'))
    await crash()
    await advance(250)
    assert.equal(events.at(-1)?.kind, 'start_failed')
    await advance(500)
    assert.equal(children.length, 2)
    assert.equal(events.at(-1)?.kind, 'started')
  })

  it('ends for good when stopped, also during a pause', async () => {
    const { supervised, children, crash, advance } = await setUp()
    await crash()
    await supervised.stop()
    await advance(60_000)
    assert.equal(children.length, 1)
    assert.equal(supervised.child(), undefined)
  })

  it('stops the running child and starts no other', async () => {
    const { supervised, children, advance } = await setUp()
    await supervised.stop()
    await advance(60_000)
    assert.equal(children.length, 1)
  })
})
