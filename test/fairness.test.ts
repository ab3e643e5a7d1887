/** Fairness as tenants feel it: real floods on the real engine, asserted as order and ratio. */

import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import { eventually } from '../src/base/test-eventually.ts'
import type { KeyCreated, Page, RequestView } from '../src/http/contract.ts'
import { ask, askStream, openAi, waitingOf } from './sdk-clients.ts'
import { removeHome, startServer, type TestServer } from './server.ts'

let server: TestServer

before(async () => {
  server = await startServer()
})
after(async () => {
  await server.stop()
  removeHome(server.home)
})

const question = (tokens: number, tier: string | undefined) =>
  ask({ max_tokens: tokens, ignore_eos: true, service_tier: tier })

/** Keys of the answers of `pour` in their order. */
const answered: string[] = []

/**
 * Sends so many requests at once and resolves when most of them wait; `done` when all are answered.
 */
async function pour(key: string, count: number, changes: Record<string, unknown> = {}) {
  const client = openAi(server, key)
  let finished = 0
  const all = Array.from({ length: count }, async () => {
    const tier = changes.service_tier as string | undefined
    await client.chat.completions.create({ ...question(100, tier), ...changes })
    finished++
    answered.push(key)
  })
  await eventually('they wait', async () => (await waitingOf(server, key)) > count / 2)
  return { done: Promise.all(all), finished: () => finished }
}

/** Answers that do not count: those of slots that were given before both floods waited. */
const HEAD_START = 16

/**
 * How many of the next `total` answers go to these keys, and how many to others. All were sent
 * before, so that it is the pool's order and not the pace of this client.
 */
async function nextAnswers(total: number, keys: string[]): Promise<[number, number]> {
  const first = answered.length + HEAD_START
  await eventually(`${total} answers`, () => answered.length >= first + total)
  const own = answered.slice(first, first + total).filter((key) => keys.includes(key)).length
  return [total - own, own]
}

function assertRatio([one, other]: [number, number], least: number, most: number): void {
  const ratio = other / one
  assert.ok(ratio > least && ratio < most, `${one} : ${other} is not within ${least} to ${most}`)
}

describe('two floods', () => {
  it('share tokens by weight, and by the new weight as soon as it changes', async () => {
    const light = await server.tenant('weight 1', { weight: 1 })
    const heavy = await server.tenant('weight 3', { weight: 3 })
    const floods = await Promise.all([pour(light.key, 100), pour(heavy.key, 180)])
    assertRatio(await nextAnswers(80, [heavy.key]), 2.3, 4)
    await server.api('PATCH', `/api/tenants/${light.id}`, { weight: 3 })
    assertRatio(await nextAnswers(60, [heavy.key]), 0.7, 1.45)
    await Promise.all(floods.map((flood) => flood.done))
  })

  it('share alike where one of them calls all its requests urgent', async () => {
    const urgent = await server.tenant('urgent')
    const standard = await server.tenant('standard')
    const priority = { service_tier: 'priority' }
    const floods = await Promise.all([pour(urgent.key, 100, priority), pour(standard.key, 100)])
    assertRatio(await nextAnswers(80, [urgent.key]), 0.75, 1.33)
    await Promise.all(floods.map((flood) => flood.done))
  })

  it('share alike however many keys one of them uses', async () => {
    const one = await server.tenant('one key')
    const many = await server.tenant('many keys')
    const more = await Promise.all(
      [1, 2, 3].map(() => server.api<KeyCreated>('POST', '/api/keys', { tenantId: many.id })),
    )
    const keys = [many, ...more].map(({ key }) => key)
    const floods = await Promise.all([pour(one.key, 100), ...keys.map((key) => pour(key, 40))])
    assertRatio(await nextAnswers(80, keys), 0.75, 1.33)
    await Promise.all(floods.map((flood) => flood.done))
  })
})

/** Resolves at the first token of a small question. */
async function firstToken(key: string, changes: Record<string, unknown> = {}): Promise<void> {
  const params = askStream({ max_tokens: 4, ...changes })
  const stream = await openAi(server, key).chat.completions.create(params)
  for await (const chunk of stream) if (chunk.choices[0]?.delta.content) return
}

const FLOOD = 60

describe('a small request beside a flood', () => {
  /** Checks that it is answered while most of the flood still waits. */
  async function assertQuick(flood: Awaited<ReturnType<typeof pour>>, small: Promise<void>) {
    const before = flood.finished()
    await small
    const meanwhile = flood.finished() - before
    assert.ok(meanwhile <= FLOOD / 4, `${meanwhile} of ${FLOOD} were answered before it`)
    await flood.done
  }

  it('of another tenant is answered first', async () => {
    const noisy = await server.tenant('noisy')
    const quiet = await server.tenant('quiet')
    const flood = await pour(noisy.key, FLOOD)
    await assertQuick(flood, firstToken(quiet.key))
  })

  it('of a colleague with another key is answered first', async () => {
    const team = await server.tenant('team')
    const { key } = await server.api<KeyCreated>('POST', '/api/keys', { tenantId: team.id })
    const flood = await pour(team.key, FLOOD)
    await assertQuick(flood, firstToken(key))
  })

  it('of another end user of the same key is answered first', async () => {
    const { id: tenantId } = await server.tenant('application')
    const scopes = ['inference', 'end_users']
    const { key } = await server.api<KeyCreated>('POST', '/api/keys', { tenantId, scopes })
    const flood = await pour(key, FLOOD, { user: 'script' })
    await assertQuick(flood, firstToken(key, { user: 'anna' }))
  })
})

describe('background work', () => {
  it('waits while interactive requests wait, and all of it is done in the end', async () => {
    const { id, key } = await server.tenant('both')
    const batch = await pour(key, 40, { service_tier: 'batch' })
    const client = openAi(server, key)
    const asked = await Promise.all(
      Array.from({ length: 20 }, () => client.chat.completions.create(question(60, 'default'))),
    )
    assert.equal(asked.length, 20)
    assert.ok(batch.finished() < 30, `${batch.finished()} of 40 were answered meanwhile`)
    await batch.done
    const rows = await eventually('all are settled', async () => {
      const path = `/api/requests?tenant=${id}&limit=100`
      const { rows } = await server.api<Page<RequestView>>('GET', path)
      return rows.every((row) => row.settledAt) && rows.length === 60 ? rows : undefined
    })
    const startMs = (row: RequestView) => Date.parse(row.arrivedAt) + (row.queueMs ?? 0)
    const interactive = rows.filter((row) => row.serviceClass === 'standard')
    const firstMs = Math.min(...interactive.map((row) => Date.parse(row.arrivedAt)))
    const lastMs = Math.max(...interactive.map(startMs))
    const between = rows.filter(
      (row) => row.serviceClass === 'batch' && startMs(row) > firstMs && startMs(row) < lastMs,
    )
    assert.ok(between.length <= 4, `${between.length} were started while people waited`)
  })
})
