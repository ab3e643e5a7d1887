/** Streams cut into chunks anywhere: what goes out does not depend on where. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { chatFrames, type SeenRequest } from '../engine/index.ts'
import { StreamRelay } from './stream-relay.ts'
import { Recorder, relayedBy } from './test-relay.ts'

const relayed = (bytes: Buffer, cuts: readonly number[], recorder: Recorder) =>
  relayedBy(new StreamRelay(recorder), bytes, cuts, recorder)

const request = { body: { model: 'mill', stream_options: { include_usage: true } } }
const framesOf = (parts: readonly string[]) => chatFrames(request as unknown as SeenRequest, parts)
const bytesOf = (frames: readonly string[]) => Buffer.from(frames.join(''))
const withTier = (frame: string) => frame.replace('{', '{"service_tier":"default",')

/** What a client must receive: everything, the tier in the first event, usage only where asked. */
function expected(frames: readonly string[], includeUsage: boolean): string {
  const [first = '', ...rest] = frames
  const middle = rest.slice(0, -2)
  const usage = rest.at(-2) ?? ''
  const last = includeUsage ? [withTier(usage)] : []
  return [withTier(first), ...middle, ...last, rest.at(-1)].join('')
}

test('bytes pass through whatever the chunks, in every language', () => {
  const seed = Number(process.hrtime.bigint() % 1_000_000n)
  const parts = fc.array(fc.string({ unit: 'binary', minLength: 1, maxLength: 12 }), {
    maxLength: 20,
  })
  const cuts = fc.array(fc.nat(3000), { maxLength: 40 })
  fc.assert(
    fc.property(parts, cuts, fc.boolean(), fc.boolean(), (texts, at, asked, late) => {
      const frames = framesOf(texts)
      const recorder = new Recorder(asked)
      recorder.isDurable = !late
      const bytes = bytesOf(frames)
      const relay = relayed(
        bytes,
        at.filter((cut) => cut < bytes.length),
        recorder,
      )
      if (late) {
        assert.equal(recorder.out.length, 0, 'nothing leaves before the intent is durable')
        recorder.letGo()
      }
      assert.equal(relay.failure, undefined)
      assert.equal(relay.out.toString(), expected(frames, asked))
      assert.equal(relay.frames, texts.length)
      assert.equal(relay.usage?.outputTokens, texts.length)
    }),
    { seed, numRuns: 300, verbose: 1 },
  )
})

test('text that looks like the wire is only text', () => {
  const trap = '"usage":{"prompt_tokens":1},"finish_reason":"stop" data: [DONE]\n\n{"error":1}'
  const frames = framesOf([trap])
  const { out, usage, frames: count } = relayed(bytesOf(frames), [], new Recorder(false))
  assert.equal(out.toString(), expected(frames, false))
  assert.deepEqual([usage?.inputTokens, usage?.outputTokens, count], [7, 1, 1])
})

test('a stream without a finish reason is an error, with or without [DONE]', () => {
  const cut = framesOf(['a', 'b']).slice(0, 3)
  for (const frames of [cut, [...cut, 'data: [DONE]\n\n']]) {
    const { failure, out } = relayed(bytesOf(frames), [], new Recorder(false))
    assert.match(failure?.message ?? '', /finish reason/)
    assert.equal(out.includes('[DONE]'), false)
  }
})

test('an engine may forget [DONE], the last blank line, or use carriage returns', () => {
  const frames = framesOf(['a', 'b'])
  const whole = bytesOf(frames).toString()
  for (const text of [
    frames.slice(0, -1).join(''),
    whole.trimEnd(),
    whole.replaceAll('\n', '\r\n'),
    `: ping\n\n${whole}`,
  ]) {
    const recorder = relayed(Buffer.from(text), [], new Recorder(false))
    assert.equal(recorder.failure, undefined)
    assert.equal(recorder.out.toString().replaceAll('\r', ''), expected(frames, false))
  }
})

test('an error event of the engine ends the stream with its reason', () => {
  const frames = [...framesOf(['a']).slice(0, 2), 'data: {"error":{"message":"out of memory"}}\n\n']
  const { failure, out } = relayed(bytesOf(frames), [], new Recorder(false))
  assert.equal(failure?.words, 'out of memory')
  assert.equal(failure.message.includes('memory'), false, 'what it says may quote a prompt')
  assert.equal(out.toString(), [withTier(frames[0] ?? ''), frames[1]].join(''))
})

test('an event without end is refused before it fills the memory', () => {
  const relay = new Recorder(false)
  relayed(Buffer.alloc((1 << 20) + 1, 'x'), [], relay)
  assert.match(relay.failure?.message ?? '', /more than 1048576 bytes/)
})

test('tool calls and finish frames count as they should', () => {
  const frame = (delta: object, finish: string | null = null) =>
    `data: ${JSON.stringify({ choices: [{ index: 0, delta, finish_reason: finish }] })}\n\n`
  const call = { index: 0, id: 'c', type: 'function', function: { name: 'f', arguments: '' } }
  const recorder = relayed(
    bytesOf([
      frame({ role: 'assistant', content: null }),
      frame({ tool_calls: [call] }),
      frame({ tool_calls: [{ index: 0, function: { arguments: '{"a":1}' } }] }),
      frame({}, 'tool_calls'),
      'data: [DONE]\n\n',
    ]),
    [],
    new Recorder(false),
  )
  assert.deepEqual([recorder.frames, recorder.failure, recorder.usage], [2, undefined, null])
})

test('one event may carry the end of one choice and the middle of another', () => {
  const choices = (finish: (string | null)[]) =>
    finish.map((reason, index) => ({ index, delta: { content: 'x' }, finish_reason: reason }))
  const frame = (list: (string | null)[]) =>
    `data: ${JSON.stringify({ choices: choices(list) })}\n\n`
  for (const list of [
    [null, 'stop'],
    ['stop', null],
  ]) {
    const bytes = bytesOf([frame([null, null]), frame(list), 'data: [DONE]\n\n'])
    assert.equal(relayed(bytes, [], new Recorder(false)).failure, undefined)
  }
})
