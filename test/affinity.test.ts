/** Two real engines behind one gateway: conversations find back, and nothing is lost on the way. */
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { startTestGateway, type TestGateway } from '../src/gateway/test-gateway.ts'
import { startToyEngine, type ToyEngine } from '../src/llama/toy-engine.fixture.ts'

let mill: TestGateway
let engines: ToyEngine[]

before(async () => {
  mill = await startTestGateway()
  const start = () => startToyEngine('random', { id: 'mill' })
  engines = [await start(), await start()]
  for (const engine of engines) mill.setEngine(engine)
})

after(async () => {
  await mill.close()
  for (const engine of engines) await engine.stop()
})

interface Message {
  role: string
  content: string
}

async function chat(messages: Message[], maxTokens = 4) {
  const response = await fetch(`${mill.baseUrl}/chat/completions`, {
    method: 'POST',
    headers: { authorization: 'Bearer sk-anna', 'content-type': 'application/json' },
    body: JSON.stringify({ model: 'mill', messages, max_tokens: maxTokens, ignore_eos: true }),
  })
  const body = (await response.json()) as {
    choices: { message: Message }[]
    usage: { prompt_tokens: number; prompt_tokens_details: { cached_tokens: number } }
  }
  assert.equal(response.status, 200, JSON.stringify(body))
  const message = body.choices[0]?.message
  assert.ok(message)
  return { message, usage: body.usage, cached: body.usage.prompt_tokens_details.cached_tokens }
}

const topic = (word: string): Message[] => [{ role: 'user', content: `${word} `.repeat(110) }]
const words = ['river', 'wheel', 'grain', 'stone', 'water', 'bread']

test('the second turn of a conversation finds what the first one left on its engine', async () => {
  const first = await Promise.all(words.slice(0, 4).map((word) => chat(topic(word))))
  assert.ok(first.every(({ cached }) => cached === 0))
  // One after the other: without prefixes all would go to the same engine.
  for (const [i, { message }] of first.entries()) {
    const { cached, usage } = await chat([
      ...topic(words[i] ?? ''),
      message,
      { role: 'user', content: 'And then?' },
    ])
    assert.ok(cached > usage.prompt_tokens / 2, `${cached} of ${usage.prompt_tokens} tokens`)
  }
})

test('no request is lost while engines leave, come and come back under load', async () => {
  const [one] = engines as [ToyEngine]
  const third = await startToyEngine('random', { id: 'mill' })
  engines.push(third)
  const answers: Promise<unknown>[] = []
  for (let turn = 0; turn < 6; turn++) {
    for (const word of words) answers.push(chat(topic(word), 8))
    await answers[answers.length - words.length]
    if (turn === 1) mill.setEngine(one, {}, 'down')
    if (turn === 2) mill.setEngine(third)
    if (turn === 3) mill.setEngine(one, {}, 'up')
  }
  await Promise.all(answers)
  assert.equal(answers.length, 6 * words.length)
  assert.equal(mill.pool.waitingCount, 0)
  assert.equal(mill.gateway.liveCount, 0)
  for (const engine of mill.pool.scheduler.engines()) assert.equal(engine.inFlight, 0)
})
