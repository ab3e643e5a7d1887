/** A client that reads slowly holds up nobody, misses nothing, and is not waited for forever. */
import assert from 'node:assert/strict'
import { beforeEach, test } from 'node:test'
import fc from 'fast-check'
import { FakeClock } from '../../base/index.ts'
import type { Reply } from '../reply.ts'
import { Listener } from './listener.ts'
import { Recorder } from './recorder.ts'

const SLOW_MS_MAX = 1000

/** Takes one write at a time until it is drained, or all where it is quick. */
class SlowReply implements Reply {
  isQuick = false
  isBegun = false
  text = ''
  isEnded = false
  isCut = false
  drain = () => {}

  beginStream(): void {
    this.isBegun = true
  }
  keepAlive(): void {
    this.text += ':'
  }
  write(bytes: Uint8Array): boolean {
    this.text += Buffer.from(bytes).toString()
    return this.isQuick
  }
  onDrain(run: () => void): void {
    this.drain = run
  }
  end(): void {
    this.isEnded = true
  }
  send(): void {}
  refuse(): void {
    this.isEnded = true
  }
  cut(): void {
    this.isCut = true
  }
}

let clock: FakeClock
let reply: SlowReply
let recorder: Recorder

beforeEach(() => {
  clock = new FakeClock()
  reply = new SlowReply()
  recorder = new Recorder(1000, () => {})
  const options = { reply, headers: [], clock, limits: { slowClientMsMax: SLOW_MS_MAX } }
  recorder.add(new Listener(recorder.tape, options))
  recorder.beginStream([])
  for (const part of ['a', 'b', 'c']) recorder.write(Buffer.from(part))
  recorder.end()
})

test('what it has not read waits on the tape, and comes in order', () => {
  assert.equal(reply.text, 'a')
  recorder.keepAlive()
  for (const text of ['ab', 'abc', 'abc']) {
    assert.equal(reply.isEnded, false)
    clock.advance(SLOW_MS_MAX - 1)
    reply.drain()
    assert.equal(reply.text, text)
  }
  assert.equal(reply.isEnded, true)
  clock.advance(SLOW_MS_MAX)
  assert.equal(reply.isCut, false)
})

test('one that does not read at all is cut off', () => {
  clock.advance(SLOW_MS_MAX - 1)
  assert.equal(reply.isCut, false)
  clock.advance(1)
  assert.equal(reply.isCut, true)
})

test('whoever comes, whenever and however slowly, has the same in the end', () => {
  const step = fc.oneof(
    fc.record({ kind: fc.constant('write' as const), text: fc.string({ minLength: 1 }) }),
    fc.record({ kind: fc.constant('join' as const), isQuick: fc.boolean() }),
    fc.record({ kind: fc.constant('drain' as const), who: fc.nat(8) }),
  )
  fc.assert(
    fc.property(fc.array(step, { maxLength: 40 }), fc.nat(40), (steps, endsAt) => {
      const tape = new Recorder(Number.POSITIVE_INFINITY, () => {})
      const replies: SlowReply[] = []
      let said = ''
      const drain = (one: SlowReply | undefined) => {
        const run = one?.drain
        if (one !== undefined) one.drain = () => {}
        run?.()
      }
      tape.beginStream([])
      for (const [index, one] of steps.entries()) {
        if (index === endsAt) tape.end()
        if (one.kind === 'write' && index < endsAt) {
          said += one.text
          tape.write(Buffer.from(one.text))
        } else if (one.kind === 'join') {
          const client = Object.assign(new SlowReply(), { isQuick: one.isQuick })
          replies.push(client)
          const options = { reply: client, headers: [], clock, limits: { slowClientMsMax: 1000 } }
          tape.add(new Listener(tape.tape, options))
        } else if (one.kind === 'drain') drain(replies[one.who])
        for (const { text } of replies) assert.ok(said.startsWith(text), 'in order, nothing twice')
      }
      tape.end()
      for (const one of replies) {
        for (let write = 0; write < steps.length; write++) drain(one)
        assert.deepEqual([one.text, one.isEnded], [said, true])
      }
    }),
  )
})
