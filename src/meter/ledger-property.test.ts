import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import fc from 'fast-check'
import { createLogger, Registry, systemClock } from '../base/index.ts'
import { type Database, openTestDatabase, type TestDatabase } from '../store/index.ts'
import {
  createLedger,
  foldUsage,
  type Intent,
  type Ledger,
  queryUsage,
  type Settlement,
} from './index.ts'
import { moveLowWater } from './low-water.ts'
import { journalFolder, openTestJournal } from './test-journal.ts'

let database: TestDatabase

before(async () => {
  database = await openTestDatabase()
})
after(() => database.close())

type Step =
  | { do: 'open'; count: number; wait: boolean }
  | { do: 'progress'; pick: number; tokens: number }
  | { do: 'settle'; pick: number; tokens: number; twice: boolean }
  | { do: 'flush' }
  | { do: 'move' }
  | { do: 'fold'; rows: number; twice: boolean }
  | { do: 'crash' }

const picks = fc.nat(1000)
const tokens = fc.integer({ min: -3, max: 5000 })
const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 4,
    arbitrary: fc.record({
      do: fc.constant('open' as const),
      count: fc.integer({ min: 1, max: 8 }),
      wait: fc.boolean(),
    }),
  },
  {
    weight: 3,
    arbitrary: fc.record({ do: fc.constant('progress' as const), pick: picks, tokens }),
  },
  {
    weight: 5,
    arbitrary: fc.record({
      do: fc.constant('settle' as const),
      pick: picks,
      tokens,
      twice: fc.boolean(),
    }),
  },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('flush' as const) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('move' as const) }) },
  {
    weight: 1,
    arbitrary: fc.record({
      do: fc.constant('fold' as const),
      rows: fc.integer({ min: 1, max: 5 }),
      twice: fc.boolean(),
    }),
  },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('crash' as const) }) },
)

/** A connection that can be cut off for good, as by kill -9: what was sent may still land. */
function cuttable(given: Database) {
  let cut = false
  const sent = new Set<Promise<unknown>>()
  const sql = ((...args: Parameters<Database['sql']>) => {
    if (cut) return new Promise(() => {})
    const query = given.sql(...args)
    const settled = Promise.allSettled([query]).finally(() => sent.delete(settled))
    sent.add(settled)
    return query
  }) as unknown as Database['sql']
  const kill = async () => {
    cut = true
    await Promise.all(sent)
  }
  return { database: { sql }, kill }
}

/** A run of gateways that die and start again, and what they should have booked. */
class World {
  nextId = 0
  open: string[] = []
  acknowledged = new Set<string>()
  settled = new Map<string, number>()
  /** Settled since the last flush or crash. */
  fresh = new Set<string>()
  /** Settlements that a flush has made durable. */
  durable = new Set<string>()
  ledger!: Ledger
  #kill!: () => Promise<void>
  readonly #folder = journalFolder()

  async start(): Promise<void> {
    const { database: cut, kill } = cuttable(database)
    this.#kill = kill
    const journal = await openTestJournal(this.#folder)
    this.ledger = createLedger({
      database: cut,
      journal,
      clock: systemClock,
      logger: createLogger('silent', 'test'),
      registry: new Registry(),
      limits: {
        databaseAwayMsMax: 0,
        ledgerPendingMax: 10_000,
        ledgerStallMs: 1000,
        ledgerWaitMs: 5000,
      },
    })
    await this.ledger.recover()
  }

  /** Ends it; what it has sent must not meet the next run. */
  async end(): Promise<void> {
    await this.ledger.close()
    await this.#kill()
  }

  async crash(): Promise<void> {
    await this.#kill()
    await this.ledger.close(0)
    this.open = []
    this.fresh.clear()
    await this.start()
  }

  async run(next: Step): Promise<void> {
    if (next.do === 'crash') return await this.crash()
    if (next.do === 'move') return await this.#move()
    if (next.do === 'fold') return await this.#fold(next.rows, next.twice)
    if (next.do === 'flush') {
      await this.ledger.flush(10_000)
      for (const id of this.fresh) this.durable.add(id)
      return this.fresh.clear()
    }
    if (next.do === 'open') return await this.#openSome(next.count, next.wait)
    const id = this.open[next.pick % Math.max(1, this.open.length)]
    if (id === undefined) return
    if (next.do === 'progress') return this.ledger.progress(id, progress(next.tokens))
    this.ledger.settle(settlement(id, next.tokens))
    if (next.twice) this.ledger.settle(settlement(id, next.tokens + 1))
    this.settled.set(id, Math.max(0, next.tokens))
    this.fresh.add(id)
    this.open = this.open.filter((other) => other !== id)
  }

  /** The low-water mark to past all identifiers made here, as if long enough had gone by. */
  async #move(): Promise<void> {
    await database.sql`update ledger_mark set next_since = now() - interval '1 hour'`
    await moveLowWater(database.sql, systemClock)
  }

  /** By one gateway or by two at once; one that is killed takes its transaction along. */
  async #fold(rows: number, twice: boolean): Promise<void> {
    const killed = database.transaction(async (sql) => {
      await foldUsage({ sql, transaction: (work) => work(sql) }, rows)
      throw new Error('killed')
    })
    await assert.rejects(killed, /killed/)
    await Promise.all([foldUsage(database, rows), twice && foldUsage(database, rows)])
  }

  async #openSome(count: number, wait: boolean): Promise<void> {
    const opening = Array.from({ length: count }, () => {
      const id = `req_${String(this.nextId++).padStart(8, '0')}`
      this.open.push(id)
      return this.ledger.open(intent(id)).then(
        () => void this.acknowledged.add(id),
        // Only a crash refuses here, and nobody is told after one.
        () => undefined,
      )
    })
    if (wait) await Promise.all(opening)
  }
}

const counts = (outputTokens: number) => ({ inputTokens: 7, cachedTokens: 2, outputTokens })

function intent(requestId: string): Intent {
  return {
    requestId,
    tenantId: 'ten_a',
    projectId: 'prj_a',
    keyId: 'key_a',
    endUser: null,
    sessionId: null,
    model: 'toy',
    endpoint: '/v1/chat/completions',
    serviceClass: 'standard',
    estimatedInputTokens: 7,
    outputTokensMax: 64,
    arrivedAtMs: systemClock.nowMs(),
  }
}

function progress(outputTokens: number) {
  const times = { queueMs: 1, engineMs: 2, ttftMs: 3 }
  return { ...counts(outputTokens), ...times, engineId: 'eng_a', servedClass: 'standard' as const }
}

function settlement(requestId: string, outputTokens: number): Settlement {
  const how = { group: 'finished', end: 'done', estimated: false } as const
  const settledAtMs = systemClock.nowMs()
  return { ...progress(outputTokens), ...how, requestId, tokenGapMs: null, settledAtMs }
}

describe('however requests are opened, settled and cut off', () => {
  it('every intent ends with one settlement and the sums are those of the callers', async () => {
    const seed = systemClock.nowMs() % 2 ** 31
    process.stderr.write(`seed ${seed}\n`)
    const property = fc.asyncProperty(fc.array(step, { minLength: 5, maxLength: 60 }), check)
    await fc.assert(property, {
      seed,
      numRuns: 150,
      endOnFailure: false,
      interruptAfterTimeLimit: 40_000,
    })
  })
})

async function check(steps: Step[]): Promise<void> {
  await database.reset()
  await database.sql`insert into ledger_mark (low_water, next_low_water) values ('', '')`
  const world = new World()
  await world.start()
  for (const next of steps) await world.run(next)
  await world.run({ do: 'flush' })
  await world.crash()
  await world.end()
  const rows = await database.sql<{ id: string; group: string | null; tokens: number }[]>`
    select i.request_id as id, s.settlement_group as "group", s.output_tokens as tokens
    from ledger_intents i left join ledger_settlements s using (request_id)`
  const [left] = await database.sql<{ n: number }[]>`select count(*) as n from ledger_open`
  assert.equal(left?.n, 0)
  const booked = new Map(rows.map((row) => [row.id, row]))
  for (const id of world.acknowledged) assert.ok(booked.has(id), `${id} was promised`)
  for (const { id, group, tokens: outputTokens } of rows) {
    assert.ok(group !== null, `${id} is closed`)
    assert.ok(outputTokens >= 0)
    if (group === 'finished') assert.equal(outputTokens, world.settled.get(id))
  }
  for (const id of world.durable) assert.equal(booked.get(id)?.group, 'finished')
  await sumsHold(rows)
}

/** What the hours say is what the requests come to, before and after all is folded. */
async function sumsHold(rows: readonly { group: string | null; tokens: number }[]): Promise<void> {
  const finished = rows.filter(({ group }) => group === 'finished').length
  const tokens = rows.reduce((sum, row) => sum + row.tokens, 0)
  const always = { fromMs: 0, toMs: Date.UTC(2100, 0) }
  for (const isFolded of [false, true]) {
    if (isFolded) await foldUsage(database)
    const [sums] = (await queryUsage(database.sql, always, [], { limit: 1 })).rows
    const found = [sums?.requests ?? 0, sums?.finished ?? 0, sums?.outputTokens ?? 0]
    assert.deepEqual(found, [rows.length, finished, tokens], `folded: ${isFolded}`)
  }
  const [fresh] = await database.sql<{ n: number }[]>`select count(*) as n from usage_fresh`
  assert.equal(fresh?.n, 0)
}
