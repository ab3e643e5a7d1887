import assert from 'node:assert/strict'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { startToyEngine, type ToyEngine, textOf, user } from './toy-engine.fixture.ts'
import { writeToyModel } from './toy-model.ts'

const CHAT = '/v1/chat/completions'
let engine: ToyEngine
before(async () => {
  engine = await startToyEngine('markov')
})
after(() => engine.stop())

test('an answer has the shape, the usage and the request id of the OpenAI wire', async () => {
  const body = { ...user('hello'), temperature: 0, max_tokens: 12, model: 'toy' }
  const answer = await engine.post(CHAT, body, { 'x-request-id': 'my-request' })
  assert.equal(answer.status, 200)
  assert.equal(answer.headers.get('x-request-id'), 'my-request')
  assert.equal(answer.body.object, 'chat.completion')
  assert.equal(answer.body.choices[0].message.role, 'assistant')
  assert.match(answer.body.choices[0].message.content, /[a-z]{2}/)
  assert.equal(answer.body.choices[0].finish_reason, 'length')
  assert.equal(answer.body.usage.completion_tokens, 12)
  const { prompt_tokens, completion_tokens, total_tokens } = answer.body.usage
  assert.equal(total_tokens, prompt_tokens + completion_tokens)
})

test('a stream adds up to the answer, and ends with reason and usage', async () => {
  const body = { ...user('hello'), temperature: 0, max_tokens: 20 }
  const whole = await engine.post(CHAT, body)
  const events = await engine.stream(CHAT, { ...body, stream_options: { include_usage: true } })
  assert.equal(textOf(events), whole.body.choices[0].message.content)
  assert.equal(events[0].choices[0].delta.role, 'assistant')
  assert.equal(events.at(-2).choices[0].finish_reason, 'length')
  assert.deepEqual(events.at(-1).choices, [])
  assert.equal(events.at(-1).usage.completion_tokens, 20)
})

test('generation ends before a stop string and never shows a part of it', async () => {
  const body = { ...user('hello'), temperature: 0, max_tokens: 60 }
  const whole = (await engine.post(CHAT, body)).body.choices[0].message.content as string
  const stop = whole.slice(9, 14)
  const events = await engine.stream(CHAT, { ...body, stop: [stop, 'never seen'] })
  assert.equal(textOf(events), whole.slice(0, whole.indexOf(stop)))
  assert.equal(events.at(-1).choices[0].finish_reason, 'stop')
  assert.equal(events.at(-1).choices[0].stop_reason, stop)
  const [choice] = (await engine.post(CHAT, { ...body, stop })).body.choices
  assert.equal(choice.stop_reason, stop)
})

test('the same seed gives the same text, another seed another one', async () => {
  const ask = async (seed: number) =>
    (await engine.post(CHAT, { ...user('hello'), seed, max_tokens: 40 })).body.choices[0].message
      .content
  assert.equal(await ask(7), await ask(7))
  assert.notEqual(await ask(7), await ask(8))
})

test('n gives several answers under one count of the prompt', async () => {
  const body = { ...user('hello'), n: 3, seed: 5, max_tokens: 8, ignore_eos: true }
  const { body: answer } = await engine.post(CHAT, body)
  assert.deepEqual(
    answer.choices.map((choice: { index: number }) => choice.index),
    [0, 1, 2],
  )
  const texts = new Set(
    answer.choices.map((c: { message: { content: string } }) => c.message.content),
  )
  assert.ok(texts.size > 1)
  assert.equal(answer.usage.completion_tokens, 24)
  const single = await engine.post(CHAT, { ...body, n: 1 })
  assert.equal(answer.usage.prompt_tokens, single.body.usage.prompt_tokens)
})

test('log probabilities do not depend on temperature and name the chosen token', async () => {
  const ask = async (temperature: number) => {
    const body = { ...user('hello'), temperature, seed: 3, max_tokens: 5 }
    const asked = { ...body, logprobs: true, top_logprobs: 4, ignore_eos: true }
    return (await engine.post(CHAT, asked)).body.choices[0].logprobs.content
  }
  const [cold, warm] = [await ask(0), await ask(1.7)]
  assert.equal(cold.length, 5)
  assert.deepEqual(cold[0].top_logprobs, warm[0].top_logprobs)
  assert.equal(cold[0].top_logprobs.length, 4)
  assert.equal(cold[0].token, cold[0].top_logprobs[0].token)
  for (const entry of cold) assert.ok(entry.logprob <= 0 && entry.bytes.length > 0)
})

test('a bias can force and forbid tokens', async () => {
  const { body } = await engine.post('/tokenize', { prompt: 'mill' })
  const token = body.tokens[0] as number
  const answer = await engine.post('/v1/completions', {
    prompt: 'The',
    max_tokens: 3,
    logit_bias: { [token]: 100 },
  })
  const again = await engine.post('/tokenize', { prompt: answer.body.choices[0].text })
  assert.deepEqual(new Set(again.body.tokens), new Set([token]))
})

test('a bias holds for the end of an answer too, and a least number of tokens puts it off', async () => {
  const { body: prompt } = await engine.post('/tokenize', user('x'))
  // Of the control tokens in a prompt the one that ends has the highest number.
  const end = Math.max(...prompt.tokens)
  const ask = async (bias: number, fields: object = {}) => {
    const body = { ...user('x'), logit_bias: { [end]: bias }, max_tokens: 300, seed: 1, ...fields }
    const { choices, usage } = (await engine.post(CHAT, body)).body
    return { reason: choices[0].finish_reason, tokens: usage.completion_tokens, choice: choices[0] }
  }
  const ended = await ask(100)
  assert.deepEqual([ended.reason, ended.tokens], ['stop', 0])
  const endless = await ask(-100)
  assert.deepEqual([endless.reason, endless.tokens], ['length', 300])
  for (const logprobs of [false, true]) {
    const { reason, tokens, choice } = await ask(100, { min_tokens: 5, logprobs })
    assert.deepEqual([reason, tokens], ['stop', 5])
    const entries: { bytes: number[] }[] = choice.logprobs?.content ?? []
    assert.ok(entries.every(({ bytes }) => bytes.length > 0))
  }
})

test('characters of several bytes arrive whole, also across writes', async () => {
  const { body } = await engine.post('/tokenize', { prompt: '水' })
  assert.equal(body.tokens.length, 3)
  const [first, second, third] = body.tokens as number[]
  for (const token of [first, second, third])
    await engine.stream('/v1/completions', {
      prompt: [[first, second, third, token]],
      max_tokens: 12,
      logit_bias: { [first as number]: 5, [second as number]: 5, [third as number]: 5 },
    })
})

test('log probabilities have all bytes, and legacy ones where each token begins', async () => {
  const { body } = await engine.post('/tokenize', { prompt: '水🌾' })
  const logit_bias = Object.fromEntries(body.tokens.map((token: number) => [token, 9]))
  const asked = { max_tokens: 40, seed: 2, logit_bias }
  const chat = await engine.post(CHAT, { ...user('x'), ...asked, logprobs: true, top_logprobs: 3 })
  const [choice] = chat.body.choices
  const { content } = choice.logprobs
  const bytes = content.flatMap((entry: { bytes: number[] }) => entry.bytes)
  assert.equal(Buffer.from(bytes).toString(), choice.message.content)
  assert.match(content.map((entry: { token: string }) => entry.token).join(''), /\\xe6/)
  const path = '/v1/completions'
  const plain = await engine.post(path, { prompt: 'x', ...asked, logprobs: 2 })
  const whole: string = plain.body.choices[0].text
  // Held back at many places, as it might begin there.
  const stop = Array.from(new Set(whole), (letter) => `${letter}\u0000`).slice(0, 16)
  const held = await engine.post(path, { prompt: 'x', ...asked, logprobs: 2, stop })
  const { id, usage, created } = held.body
  assert.deepEqual(held.body, { ...plain.body, id, usage, created })
  const { tokens, text_offset: offsets } = plain.body.choices[0].logprobs
  const letters = Array.from(whole)
  for (const [i, token] of (tokens as string[]).entries())
    if (!token.includes('\\x') && letters[offsets[i]] !== '\ufffd')
      assert.equal(letters[offsets[i]], Array.from(token)[0])
})

test('an id that no token has is refused as a bias', async () => {
  const answer = await engine.post(CHAT, { ...user('x'), logit_bias: { 99999999: 1 } })
  assert.equal(answer.status, 400)
  assert.match(answer.body.error.message, /logit_bias: there is no token 99999999/)
})

test('control tokens in a message stay text', async () => {
  const harmless = await engine.post('/tokenize', user('a [im_end] b'))
  const armed = await engine.post('/tokenize', user('a <|im_end|> b'))
  const end = (await engine.post('/tokenize', user('x'))).body.tokens as number[]
  const counts = (tokens: number[]) =>
    tokens.filter((token) => end.filter((e) => e === token).length > 1)
  const controls = new Set(counts(end))
  const seen = (tokens: number[]) => tokens.filter((token) => controls.has(token)).length
  assert.ok(controls.size > 0)
  assert.equal(seen(armed.body.tokens), seen(harmless.body.tokens))
})

test('a long text without spaces has the tokens that its parts have', async () => {
  const tokensOf = async (content: string): Promise<number[]> =>
    (await engine.post('/tokenize', user(content))).body.tokens
  const [empty, one, two] = [await tokensOf(''), await tokensOf('🌾'), await tokensOf('🌾🌾')]
  const from = empty.findIndex((token, i) => token !== one[i])
  const grain = two.slice(from, from + two.length - one.length)
  // Each count puts the end of a piece somewhere else, within a character or a control token too.
  for (let count = 3980; count < 4010; count++) {
    const middle = Array.from({ length: count }, () => grain).flat()
    const whole = [...empty.slice(0, from), ...middle, ...empty.slice(from)]
    const tokens = await tokensOf('🌾'.repeat(count))
    assert.ok(tokens.join() === whole.join(), `${count} grains`)
  }
})

/** Has `work` done with an engine whose model has another template. */
async function withTemplate(template: string, work: (engine: ToyEngine) => Promise<void>) {
  const folder = await mkdtemp(join(tmpdir(), 'chat-'))
  const model = join(folder, 'bare.gguf')
  await writeToyModel(model, { kind: 'markov', seed: 1, contextTokens: 512 })
  const bytes = await readFile(model)
  const from = bytes.indexOf('{% for message')
  const length = bytes.indexOf('{% endif %}', from) + '{% endif %}'.length - from
  bytes.write(`${template}{#${'-'.repeat(length - template.length - 4)}#}`, from)
  await writeFile(model, bytes)
  const other = await startToyEngine('markov', { model, cap: 1 })
  try {
    await work(other)
  } finally {
    await other.stop()
    await rm(folder, { recursive: true })
  }
}

test('messages of which the template makes nothing are refused', async () => {
  await withTemplate("{{ messages[0]['content'] }}", async (other) => {
    assert.equal((await other.post(CHAT, { ...user('grain'), max_tokens: 2 })).status, 200)
    const { status, body } = await other.post(CHAT, { ...user(''), max_tokens: 2 })
    assert.deepEqual([status, body.error.param], [400, 'messages'])
  })
})

test('control tokens in names of a tool that the template shows stay text', async () => {
  await withTemplate("{{ messages[0]['content'] + (tools | tojson) }}", async (other) => {
    const tokensOf = async (field: string): Promise<number[]> => {
      const parameters = { type: 'object', properties: { [field]: { type: 'string' } } }
      const tools = [{ type: 'function', function: { name: 'mill', parameters } }]
      return (await other.post('/tokenize', { ...user('x'), tools })).body.tokens
    }
    const [armed, harmless] = [await tokensOf('<|im_end|>'), await tokensOf('[|im_end|]')]
    assert.equal(armed.length, harmless.length)
  })
})

test('characters of a private plane, such as icons of terminals, stay what they are', async () => {
  const tokensOf = async (content: string): Promise<number[]> =>
    (await engine.post('/tokenize', user(content))).body.tokens
  const [empty, beyond] = [await tokensOf(''), await tokensOf('\u{FFFFD}')]
  for (const icon of ['\u{F0000}', '\u{F0001}', '\u{F0002}']) {
    assert.equal((await tokensOf(icon)).length, beyond.length)
  }
  assert.ok(beyond.length > empty.length)
})

test('a prompt that does not fit is refused with both numbers', async () => {
  const answer = await engine.post(CHAT, { ...user('word '.repeat(3000)), max_tokens: 10 })
  assert.equal(answer.status, 400)
  assert.equal(answer.body.error.code, 'context_length_exceeded')
  assert.match(answer.body.error.message, /2048 tokens.*\d{4} in the prompt, 10 to generate/)
  assert.equal(answer.headers.get('x-should-retry'), 'false')
})

test('wrong values are refused by name, unknown fields are passed over', async () => {
  const wrong: [object, string][] = [
    [{ temperature: 3 }, 'temperature'],
    [{ max_tokens: 0 }, 'max_tokens'],
    [{ top_logprobs: 3 }, 'top_logprobs'],
    [{ tool_choice: 'required' }, 'tool_choice'],
    [{ messages: [] }, 'messages'],
    [{ seed: 1.5 }, 'seed'],
  ]
  for (const [fields, param] of wrong) {
    const answer = await engine.post(CHAT, { ...user('x'), ...fields })
    assert.equal(answer.status, 400, param)
    assert.equal(answer.body.error.param, param)
  }
  const unknown = { ...user('x'), max_tokens: 2, verbosity: 'low', store: false, metadata: {} }
  assert.equal((await engine.post(CHAT, unknown)).status, 200)
})

test('another model, a wrong path, a wrong method and broken JSON are clear refusals', async () => {
  assert.equal((await engine.post(CHAT, { ...user('x'), model: 'gpt-9' })).status, 404)
  assert.equal((await engine.get('/v2/nothing')).status, 404)
  assert.equal((await engine.get(CHAT)).status, 405)
  const broken = await fetch(engine.url + CHAT, { method: 'POST', body: '{"messages": [' })
  assert.equal(broken.status, 400)
  const image = { type: 'image_url', image_url: { url: 'data:' } }
  const { status, body } = await engine.post(CHAT, {
    messages: [{ role: 'user', content: [image] }],
  })
  assert.equal(status, 400)
  assert.equal(body.error.code, 'unsupported_parameter')
})

test('legacy completions take texts and tokens, echo, and report probabilities', async () => {
  const path = '/v1/completions'
  const prompt = ['The mill', 'The river']
  const { body } = await engine.post(path, { prompt, echo: true, max_tokens: 4, temperature: 0 })
  assert.equal(body.choices.length, 2)
  assert.match(body.choices[0].text, /^The mill./)
  assert.match(body.choices[1].text, /^The river./)
  assert.equal(body.usage.completion_tokens, 8)
  const probable = await engine.post(path, { prompt: 'The mill', max_tokens: 4, logprobs: 2 })
  assert.equal(probable.body.choices[0].logprobs.tokens.length, 4)
  const events = await engine.stream(path, { prompt: 'The mill', max_tokens: 4, temperature: 0 })
  assert.equal(`The mill${textOf(events)}`, body.choices[0].text)
})

test('embeddings are unit vectors, the same in both encodings', async () => {
  const path = '/v1/embeddings'
  const { body } = await engine.post(path, { input: ['grain', 'flour'] })
  assert.equal(body.data.length, 2)
  const [first] = body.data.map((item: { embedding: number[] }) => item.embedding)
  const length = Math.hypot(...first)
  assert.ok(Math.abs(length - 1) < 1e-5)
  const packed = await engine.post(path, { input: 'grain', encoding_format: 'base64' })
  const bytes = Buffer.from(packed.body.data[0].embedding, 'base64')
  assert.equal(bytes.readFloatLE(0), Math.fround(first[0]))
  assert.ok(packed.body.usage.prompt_tokens > 0)
})

test('megabytes that cannot fit are refused without reading them, and streams go on', async () => {
  const content = 'grain '.repeat(500_000)
  for (const [path, body] of [
    [CHAT, user(content)],
    ['/v1/completions', { prompt: content }],
    ['/v1/embeddings', { input: content }],
  ] as const) {
    const answer = await engine.post(path, body)
    assert.equal(answer.status, 400)
    assert.equal(answer.body.error.code, 'context_length_exceeded')
    const words = /at least \d+ in the prompt, (at least 1|0) to generate/
    const [, toGenerate] = words.exec(answer.body.error.message) ?? []
    assert.equal(toGenerate, path === '/v1/embeddings' ? '0' : 'at least 1', 'nobody has counted')
  }
  await engine.get('/metrics')
  await engine.post(CHAT, user(content))
  const { body: metrics } = await engine.get('/metrics')
  const delayS = /event_loop_delay_p99_seconds ([\d.e-]+)/.exec(metrics)?.[1]
  // A generous bound: reading three megabytes of text as tokens takes seconds.
  assert.ok(Number(delayS) < 0.5, `${delayS}`)
})
