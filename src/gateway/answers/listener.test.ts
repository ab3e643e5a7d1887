/** A client that reads slowly holds up nobody, misses nothing, and is not waited for forever. */
import assert from 'node:assert/strict'
import { beforeEach, test } from 'node:test'
import { FakeClock } from '../../base/index.ts'
import type { Reply } from '../reply.ts'
import { Listener } from './listener.ts'
import { Recorder } from './recorder.ts'

const SLOW_MS_MAX = 1000

/** Takes one write at a time until it is drained. */
class SlowReply implements Reply {
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
    return false
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
