import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { FakeClock, GristmillError } from '../base/index.ts'
import { exporter } from './export-stream.ts'

async function* pieces(ended: () => void = () => {}) {
  try {
    for (const piece of ['one ', 'two ', 'three']) yield piece
  } finally {
    ended()
  }
}

describe('exports', () => {
  it('are few at once, and another one runs when one has ended', async () => {
    const exported = exporter({ clock: new FakeClock() })
    const first = exported(pieces())
    exported(pieces())
    assert.throws(() => exported(pieces()), isNotReady)
    assert.equal(await new Response(first).text(), 'one two three')
    assert.equal(await new Response(exported(pieces())).text(), 'one two three')
  })

  it('make room for others where their client has gone, begun or not', async () => {
    const exported = exporter({ clock: new FakeClock() })
    for (const isBegun of [false, true, false, true]) {
      let hasEnded = false
      const given = pieces(() => {
        hasEnded = true
      })
      const reader = exported(given).getReader()
      if (isBegun) await reader.read()
      await reader.cancel()
      assert.equal(hasEnded, isBegun)
    }
    exported(pieces())
  })

  it('make room for others after a while where nobody reads them, or reads them on', async () => {
    const clock = new FakeClock()
    const exported = exporter({ clock })
    exported(pieces())
    const reader = exported(pieces()).getReader()
    await reader.read()
    assert.throws(() => exported(pieces()), isNotReady)
    clock.advance(120_000)
    await assert.rejects(reader.read(), /took too long/)
    assert.equal(await new Response(exported(pieces())).text(), 'one two three')
    assert.equal(await new Response(exported(pieces())).text(), 'one two three')
  })

  it('that fail tell why, and make room for others', async () => {
    const exported = exporter({ clock: new FakeClock() })
    async function* failing() {
      yield 'one '
      throw new Error('the database is away')
    }
    for (let i = 0; i < 3; i++) {
      await assert.rejects(new Response(exported(failing())).text(), /the database is away/)
    }
  })
})

const isNotReady = (error: unknown) => error instanceof GristmillError && error.code === 'not_ready'
