/**
 * Random engines, random clients, retries, revocation and a shutdown: whatever happens, every
 * request ends once, every slot comes back, and nothing is booked below what the client received.
 */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type Random, seededRandom, systemClock, systemRandom } from '../base/index.ts'
import { until } from '../base/test-eventually.ts'
import {
  answerChat,
  beginStream,
  chatFrames,
  type SeenRequest,
  sendJson,
  startTestEngine,
} from '../engine/index.ts'
import { noLimits, startTestGateway, testPrincipal } from './test-gateway.ts'

const REQUESTS = 400
const AT_ONCE = 24
const MODEL = { model: 'mill', messages: [{ role: 'user', content: 'Hi' }] }

const pick = <Choice>(random: Random, choices: readonly Choice[]): Choice =>
  choices[Math.floor(random.next() * choices.length)] as Choice

/** An engine that mostly works. */
function misbehave(random: Random): (one: SeenRequest) => void {
  const parts = () => Array.from({ length: Math.floor(random.next() * 12) }, (_, i) => `w${i} `)
  const ways: ((one: SeenRequest) => void)[] = [
    (one) => answerChat(one, parts()),
    (one) => answerChat(one, parts()),
    (one) => answerChat(one, parts()),
    (one) => setTimeout(() => answerChat(one, parts()), random.next() * 30),
    (one) => one.request.socket.destroy(),
    (one) => setTimeout(() => one.request.socket.destroy(), random.next() * 20),
    (one) => sendJson(one.response, pick(random, [400, 401, 429, 500, 503]), { error: {} }),
    (one) => slowly(one, parts(), random, true),
    (one) => slowly(one, parts(), random, false),
    (one) => one.response.writeHead(200).end('nonsense'),
  ]
  return (one) => pick(random, ways)(one)
}

function slowly(one: SeenRequest, parts: string[], random: Random, finishes: boolean): void {
  if (one.body.stream !== true) {
    answerChat(one, parts)
    return
  }
  const frames = chatFrames(one, parts)
  const last = finishes ? frames.length : Math.floor(random.next() * frames.length)
  beginStream(one.response)
  const next = (at: number) => {
    if (at < last) {
      one.response.write(frames[at])
      setTimeout(() => next(at + 1), random.next() * 4)
    } else if (finishes) one.response.end()
    else one.request.socket.destroy()
  }
  next(0)
}

interface Received {
  requestId: string | null
  words: number
  isWhole: boolean
}

/** Some name a key that others name as well, some may be answered by the response cache. */
function sharing(random: Random, stream: boolean) {
  const which = Math.floor(random.next() * 20)
  return pick(random, [
    { headers: {}, fields: {} },
    { headers: { 'idempotency-key': `${stream} ${which}` }, fields: {} },
    { headers: { 'x-gristmill-cache': 'on' }, fields: { seed: which } },
  ])
}

/** A client that sometimes leaves. */
async function ask(url: string, random: Random): Promise<Received> {
  const leaving = new AbortController()
  if (random.next() < 0.25) setTimeout(() => leaving.abort(), random.next() * 40)
  const stream = random.next() < 0.7
  const { headers, fields } = sharing(random, stream)
  let text = ''
  let requestId: string | null = null
  try {
    const response = await fetch(`${url}/v1/chat/completions`, {
      method: 'POST',
      headers: { authorization: `Bearer sk-${pick(random, ['anna', 'ben'])}`, ...headers },
      body: JSON.stringify({ ...MODEL, stream, max_tokens: 20, ...fields }),
      signal: leaving.signal,
    })
    const first = response.headers.get('x-gristmill-replayed')
    requestId = first ?? response.headers.get('x-request-id')
    const decoder = new TextDecoder()
    for await (const chunk of response.body ?? []) text += decoder.decode(chunk, { stream: true })
  } catch (error) {
    assert.ok(leaving.signal.aborted, `the connection broke off: ${String(error)}`)
    return { requestId, words: words(text), isWhole: false }
  }
  const isDone = stream ? text.includes('[DONE]') : text.includes('"finish_reason":"stop"')
  assert.ok(isDone || text.includes('"error":'), `it ended without a word: ${text}`)
  return { requestId, words: words(text), isWhole: isDone && stream }
}

const words = (text: string) => text.match(/"content":"w\d+ "/g)?.length ?? 0

test('every request ends once and every slot comes back', async (t) => {
  const seed = Math.floor(systemRandom.next() * 1e9)
  t.diagnostic(`seed ${seed}`)
  const random = seededRandom(seed)
  const mill = await startTestGateway({
    limits: { engineFirstByteMsMax: 2000, shutdownMsMax: 500 },
  })
  const engines = [await startTestEngine(), await startTestEngine()]
  const few = { ...noLimits, queueDepthMax: 10, concurrencyMax: 3 }
  mill.principals.set('sk-ben', testPrincipal('ben', { policy: { tenantLimits: few } }))
  for (const engine of engines) {
    engine.answer(misbehave(random))
    mill.setEngine(engine, { cap: 3, express: 1 })
  }
  const received: Received[] = []
  let left = REQUESTS
  const worker = async () => {
    while (left-- > 0) received.push(await ask(mill.url, random))
  }
  const meddler = systemClock.every(50, () => {
    const engine = pick(random, engines)
    mill.setEngine(engine, { cap: 3, express: 1 }, random.next() < 0.3 ? 'down' : 'up')
    if (random.next() < 0.1) mill.gateway.revoke('key_ben')
  })
  await Promise.all(Array.from({ length: AT_ONCE }, worker))
  meddler.cancel()
  await mill.gateway.drain(500)
  assert.equal(mill.gateway.liveCount, 0)
  assert.equal(mill.pool.running.size, 0, 'slots are back')
  assert.equal(mill.pool.waitingCount, 0)
  await until(() => mill.ledger.settlements.length >= mill.ledger.intents.length)
  const booked = new Map(mill.ledger.settlements.map((one) => [one.requestId, one]))
  assert.equal(booked.size, mill.ledger.settlements.length, 'nothing is settled twice')
  assert.deepEqual(
    [...booked.keys()].sort(),
    mill.ledger.intents.map((intent) => intent.requestId).sort(),
    'intents and settlements match',
  )
  for (const { requestId, words: count, isWhole } of received) {
    const settlement = requestId === null ? undefined : booked.get(requestId)
    if (settlement === undefined) continue
    assert.ok(settlement.outputTokens >= count || settlement.engineId === null, `${requestId}`)
    const tokens = settlement.hit?.outputTokens ?? settlement.outputTokens
    if (isWhole) assert.deepEqual([settlement.group, tokens], ['finished', count])
  }
  assert.ok(received.some(({ isWhole }) => isWhole))
  assert.ok(mill.ledger.settlements.some(({ hit }) => hit !== undefined))
  const ids = received.flatMap(({ requestId }) => requestId ?? [])
  assert.ok(new Set(ids).size < ids.length, 'some are repetitions')
  await mill.close()
  for (const engine of engines) await engine.close()
})
