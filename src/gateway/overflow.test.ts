/** Own engines that are full, and a rented target that costs money. */
import assert from 'node:assert/strict'
import { afterEach, beforeEach, describe, it } from 'node:test'
import fc from 'fast-check'
import OpenAI from 'openai'
import { FakeClock, seededRandom } from '../base/index.ts'
import { until } from '../base/test-eventually.ts'
import { answerChat, sendJson, startTestEngine, type TestEngine } from '../engine/index.ts'
import { readDocument } from '../route/index.ts'
import type { CanonicalRequest } from './canonical.ts'
import { courseFor } from './course.ts'
import { DaySpend } from './day-spend.ts'
import { startTestGateway, type TestGateway, testPrincipal } from './test-gateway.ts'

let mill: TestGateway
let own: TestEngine
let rented: TestEngine
let client: OpenAI
/** Answers what the own engine holds. */
let letGo: () => void

const big = { models: [{ name: 'big', contextTokens: 2048, toy: false }], cap: 4 }
const price = { inputNanos: 10, outputNanos: 100 }

beforeEach(async () => {
  own = await startTestEngine()
  rented = await startTestEngine()
  mill = await startTestGateway()
  mill.setEngine(own, { cap: 1 })
  mill.setEngine(rented, big)
  mill.models.push({ name: 'big', contextTokens: 2048, createdAtMs: 1, toy: false })
  client = new OpenAI({ baseURL: mill.baseUrl, apiKey: 'sk-anna', maxRetries: 0 })
  const held: (() => void)[] = []
  let isOpen = false
  own.answer((one) => {
    if (isOpen) answerChat(one, ['own'])
    else held.push(() => answerChat(one, ['own']))
  })
  letGo = () => {
    isOpen = true
    for (const answer of held.splice(0)) answer()
  }
  rented.answer((one) => answerChat(one, ['rented']))
})
afterEach(async () => {
  letGo()
  await until(() => mill.ledger.settlements.length === mill.ledger.intents.length)
  assert.equal(mill.pool.running.size, 0, 'no slot is leaked')
  await mill.close()
  await own.close()
  await rented.close()
})

const allow = (allowances: Record<string, number>, classes = ['standard']) =>
  mill.setRoutes(
    readDocument({
      routes: [
        {
          name: 'chat',
          targets: [{ model: 'mill' }, { model: 'big', price }],
          overflow: { allowances, classes },
        },
      ],
    }).routes,
  )
const messages = [{ role: 'user' as const, content: 'Hi' }]
const ask = (more: object = {}, apiKey = 'sk-anna') =>
  client
    .withOptions({ apiKey })
    .chat.completions.create({ model: 'chat', messages, max_tokens: 5, ...more })
    .withResponse()

/** Takes the own engine's only place. */
async function fill() {
  const first = ask()
  await until(() => own.seen.length === 1)
  return first
}

describe('a route that overflows', () => {
  it('asks own engines first, and nobody pays while they have room', async () => {
    allow({ anna: 1e9 })
    letGo()
    const { data, response } = await ask()
    assert.equal(data.choices[0]?.message.content, 'own')
    assert.equal(response.headers.get('x-gristmill-overflow'), null)
    assert.equal(rented.seen.length, 0)
  })

  it('goes to the rented target when the wait grows too long, and says and books so', async () => {
    allow({ Anna: 1e9 })
    const first = fill()
    await until(() => own.seen.length === 1)
    const { data, response } = await ask()
    assert.equal(data.choices[0]?.message.content, 'rented')
    assert.equal(response.headers.get('x-gristmill-overflow'), 'true')
    assert.equal(response.headers.get('x-gristmill-target'), 'big')
    letGo()
    await first
    await until(() => mill.ledger.settlements.length === 2)
    const [bought] = mill.ledger.settlements.filter((one) => one.rentedTarget === 'big')
    const { inputTokens = 0, outputTokens = 0 } = bought ?? {}
    assert.ok(outputTokens > 0)
    assert.equal(bought?.spendNanos, 10 * inputTokens + 100 * outputTokens)
    const queueMs = Number(response.headers.get('x-gristmill-queue-ms'))
    assert.ok(queueMs > 0 && bought?.queueMs === queueMs, `${queueMs} ms in the queue`)
    const ownRow = mill.ledger.settlements.find((one) => one !== bought)
    assert.ok(ownRow !== undefined && !('spendNanos' in ownRow))
  })

  it('waits for those who have no allowance, or none left for the most that it can cost', async () => {
    mill.principals.set('sk-bert', testPrincipal('bert'))
    mill.principals.set('sk-carl', testPrincipal('carl'))
    // Enough by our estimate of the prompt, and not for the most that it can be.
    allow({ anna: 1e9, bert: 0, '*': 1000 })
    const first = fill()
    await until(() => own.seen.length === 1)
    const waiting = [ask({}, 'sk-bert'), ask({}, 'sk-carl'), ask({ service_tier: 'priority' })]
    const { data } = await ask()
    assert.equal(data.choices[0]?.message.content, 'rented', 'the one that may does not wait')
    assert.equal(rented.seen.length, 1)
    letGo()
    const answers = await Promise.all(waiting)
    assert.deepEqual(
      new Set(answers.map((one) => one.data.choices[0]?.message.content)),
      new Set(['own']),
    )
    await first
  })

  it('waits for own engines again where the rented service refuses it', async () => {
    allow({ anna: 1e9 })
    rented.answer((one) => sendJson(one.response, 429, { error: { message: 'too many' } }))
    const first = fill()
    await until(() => own.seen.length === 1)
    const second = ask()
    await until(() => rented.seen.length === 1)
    letGo()
    assert.equal((await second).data.choices[0]?.message.content, 'own')
    await first
    assert.equal(rented.seen.length, 1, 'it is not asked twice')
    assert.ok(mill.ledger.settlements.every((one) => one.rentedTarget === undefined))
  })

  it('waits for own engines again where the service does not take what they would', async () => {
    allow({ anna: 1e9 })
    const refusal = { error: { message: 'context_length_exceeded', type: 'invalid_request_error' } }
    rented.answer((one) => sendJson(one.response, 400, refusal))
    const first = fill()
    await until(() => own.seen.length === 1)
    const more = Array.from({ length: 4 }, () => ask())
    await until(() => rented.seen.length === 4)
    letGo()
    for (const { data, response } of await Promise.all([first, ...more])) {
      assert.equal(data.choices[0]?.message.content, 'own')
      assert.equal(response.headers.get('x-gristmill-overflow'), null)
    }
    assert.equal(mill.pool.health.of(rented.url).state, 'closed', 'and nobody is to blame')
    assert.ok(mill.ledger.settlements.every((one) => one.rentedTarget === undefined))
  })

  it('waits for own engines again where the wire of the service cannot say it', async () => {
    allow({ anna: 1e9 })
    mill.setEngine(rented, big, 'down')
    const claude = await startTestEngine()
    const service = { kind: 'service', service: 'anthropic', takesCacheSalt: false } as const
    mill.setEngine({ url: claude.url, service: 'anthropic', keys: ['k'] }, { ...big, ...service })
    const first = fill()
    await until(() => own.seen.length === 1)
    const second = ask({ logprobs: true })
    await until(() => mill.pool.waitingOf('ten_anna') === 1)
    // Longer than it waits before it goes over.
    await new Promise((resolve) => setTimeout(resolve, 1500))
    assert.equal(mill.pool.waitingOf('ten_anna'), 1)
    letGo()
    assert.equal((await second).data.choices[0]?.message.content, 'own')
    await first
    assert.equal(claude.seen.length, 0)
    await claude.close()
  })

  it('comes back, however many the service refuses', async () => {
    allow({ anna: 1e9 })
    rented.answer((one) => sendJson(one.response, 429, { error: { message: 'too many' } }))
    const first = fill()
    await until(() => own.seen.length === 1)
    // All go over at once: what comes after many refusals does not go there any more.
    mill.setEngine(rented, big, 'down')
    const more = Array.from({ length: 30 }, () => ask())
    await until(() => mill.pool.waitingOf('ten_anna') === 30)
    mill.setEngine(rented, big, 'up')
    await until(() => mill.pool.waitingOf('ten_anna') === 30 && rented.seen.length > 20)
    letGo()
    const answers = await Promise.all([first, ...more])
    assert.ok(answers.every(({ data }) => data.choices[0]?.message.content === 'own'))
  })

  it('is asked where no own engine is up', async () => {
    allow({ anna: 1e9 })
    mill.setEngine(own, { cap: 1 }, 'down')
    const { data } = await ask()
    assert.equal(data.choices[0]?.message.content, 'rented')
  })
})

describe('a request that waits at a rented target', () => {
  it('comes back once that is not up, where own engines are, and its money with it', () => {
    const [route] = readDocument({
      routes: [
        {
          name: 'chat',
          targets: [{ model: 'mill' }, { model: 'big', price }],
          overflow: { allowances: { '*': 1000 }, classes: ['standard'] },
        },
      ],
    }).routes
    const up = new Set(['mill', 'big'])
    const allowances = new DaySpend(new FakeClock())
    const course = courseFor(
      {
        routes: { find: () => route, list: () => [], guards: [] },
        places: { isUp: (queue) => up.has(queue), queueOf: ({ model }) => model },
        allowances,
        clock: new FakeClock(),
        random: seededRandom(1),
      },
      { model: 'chat', estimatedInputTokens: 10 } as CanonicalRequest,
      testPrincipal('anna'),
      { serviceClass: 'standard', tags: [] },
    )
    assert.ok(course !== undefined)
    const asked = { endpoint: '/v1/embeddings', raw: Buffer.alloc(10) } as CanonicalRequest
    assert.equal(course.rent(asked, 9), true)
    assert.equal(course.comeBack(), false, 'it is up')
    up.clear()
    assert.equal(course.comeBack(), false, 'nothing is up')
    up.add('mill')
    assert.equal(course.comeBack(), true)
    assert.deepEqual([course.queue, course.isOverflowing, course.mayRent], ['mill', false, false])
    assert.ok(allowances.reserve('ten_anna', 'chat', 1000, 1000) !== null)
    assert.equal(course.comeBack(), false, 'it is at home')
  })
})

describe('what is spent in a day', () => {
  it('never exceeds the allowance, whatever is set aside and given back when', () => {
    const step = fc.record({
      tenant: fc.constantFrom('a', 'b'),
      nanos: fc.integer({ min: 0, max: 60 }),
      part: fc.double({ min: 0, max: 1, noNaN: true }),
      settles: fc.boolean(),
    })
    fc.assert(
      fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
        const spend = new DaySpend(new FakeClock())
        const open: { tenant: string; run(): number }[] = []
        const spent = { a: 0, b: 0 } as Record<string, number>
        for (const { tenant, nanos, part, settles } of steps) {
          const reserved = spend.reserve(tenant, 'r', nanos, 100)
          if (reserved !== null) {
            const cost = Math.floor(part * nanos)
            const run = () => {
              spend.settle(reserved, cost)
              return cost
            }
            open.push({ tenant, run })
          }
          const first = settles ? open.shift() : undefined
          if (first) spent[first.tenant] = (spent[first.tenant] ?? 0) + first.run()
        }
        for (const { tenant, run } of open) spent[tenant] = (spent[tenant] ?? 0) + run()
        for (const total of Object.values(spent)) assert.ok(total <= 100)
      }),
    )
  })

  it('begins anew with the day, and after a restart with what the ledger knows', async () => {
    const clock = new FakeClock()
    const spend = new DaySpend(clock)
    const rows = [{ tenantId: 'a', model: 'alias', spendNanos: 90 }]
    await spend.learn(
      async () => rows,
      () => 'r',
    )
    assert.equal(spend.reserve('a', 'r', 20, 100), null)
    const reserved = spend.reserve('a', 'r', 10, 100)
    assert.ok(reserved)
    clock.advance(86_400_000)
    assert.ok(spend.reserve('a', 'r', 100, 100))
    spend.settle(reserved, 10)
    assert.equal(spend.reserve('a', 'r', 1, 100), null, 'what was of yesterday gives nothing back')
  })

  it('is not forgotten where the clock is set back to the day before', () => {
    const clock = new FakeClock()
    const spend = new DaySpend(clock)
    const yesterday = spend.reserve('a', 'r', 100, 100)
    assert.ok(yesterday)
    clock.advance(86_400_000)
    assert.ok(spend.reserve('a', 'r', 60, 100))
    clock.advance(-86_400_000)
    assert.equal(spend.reserve('a', 'r', 1, 100), null)
    spend.settle(yesterday, 70)
    assert.ok(spend.reserve('a', 'r', 30, 100))
    clock.advance(86_400_000)
    assert.equal(spend.reserve('a', 'r', 41, 100), null)
    assert.ok(spend.reserve('a', 'r', 40, 100))
  })
})
