import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { Recorder, relayedBy } from '../test-relay.ts'
import { MessagesRelay } from './pass-relay.ts'

const event = (data: { type: string; [name: string]: unknown }) =>
  `event: ${data.type}\ndata: ${JSON.stringify(data)}\n\n`
const start = event({
  type: 'message_start',
  message: { usage: { input_tokens: 4, cache_read_input_tokens: 6, output_tokens: 1 } },
})
const delta = (text: string) =>
  event({ type: 'content_block_delta', index: 0, delta: { type: 'text_delta', text } })
const ending = (outputTokens: number) =>
  event({
    type: 'message_delta',
    delta: { stop_reason: 'end_turn' },
    usage: { cache_creation_input_tokens: 2, output_tokens: outputTokens },
  })
const stop = event({ type: 'message_stop' })

const relayed = (text: string, cuts: readonly number[] = [], recorder = new Recorder(true)) =>
  relayedBy(new MessagesRelay(recorder), Buffer.from(text), cuts, recorder)

test('every byte passes as it came, whatever the chunks, and the usage is known', () => {
  const texts = fc.array(fc.string({ unit: 'binary', maxLength: 12 }), { maxLength: 20 })
  const cuts = fc.array(fc.nat(3000), { maxLength: 40 })
  fc.assert(
    fc.property(texts, cuts, fc.boolean(), (parts, at, isLate) => {
      const ping = event({ type: 'ping' })
      const text = [start, ping, ...parts.map(delta), ending(parts.length), stop].join('')
      const recorder = new Recorder(true)
      recorder.isDurable = !isLate
      const inside = at.filter((cut) => cut < Buffer.byteLength(text))
      relayed(text, inside, recorder)
      if (isLate) {
        assert.equal(recorder.out.length, 0, 'nothing leaves before the intent is durable')
        recorder.letGo()
      }
      assert.equal(recorder.out.toString(), text)
      assert.equal(recorder.frames, parts.length)
      const outputTokens = parts.length
      const read = { inputTokens: 12, cachedTokens: 6, cacheWriteTokens: 2 }
      assert.deepEqual(recorder.usage, { ...read, outputTokens })
    }),
    { numRuns: 60 },
  )
})

test('an error in the stream is told as it came; a stream that breaks off is one of ours', () => {
  const error = event({ type: 'error', error: { type: 'overloaded_error', message: 'Busy' } })
  const told = relayed(start + delta('a') + error)
  assert.equal(told.out.toString(), start + delta('a') + error)
  assert.match(told.failure?.message ?? '', /reported an error/)
  const broken = relayed(start + delta('a') + ending(1))
  assert.match(broken.failure?.message ?? '', /without message_stop/)
  assert.equal(broken.usage, undefined)
})

test('events without their first line are understood', () => {
  const bare = (text: string) => text.replaceAll(/^event: .*\n/gm, '')
  const { out, usage, frames } = relayed(bare(start + delta('a') + ending(1) + stop))
  assert.equal(out.toString(), bare(start + delta('a') + ending(1) + stop))
  assert.deepEqual([usage?.outputTokens, frames], [1, 1])
})

test('an event without end is refused before it fills the memory', () => {
  const { failure } = relayed('x'.repeat((1 << 20) + 1))
  assert.match(failure?.message ?? '', /more than 1048576 bytes/)
})
