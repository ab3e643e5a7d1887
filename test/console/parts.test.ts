/** The console's own reckoning: sentences, seats, queue lines, series, CSV, code examples. */
import assert from 'node:assert/strict'
import { globSync, readFileSync } from 'node:fs'
import { describe, test } from 'node:test'
import { smallInstallation } from '../../console/fixture/people.ts'
import { Simulation } from '../../console/fixture/simulation.ts'
import { kinds } from '../../console/src/audit/kinds.ts'
import { floorContext, floorSentence } from '../../console/src/floor/floor-sentence.ts'
import { queueGroups } from '../../console/src/floor/queue-groups.ts'
import { seat } from '../../console/src/floor/seating.ts'
import { keysSentence } from '../../console/src/keys/keys-sentence.ts'
import { csvOf } from '../../console/src/parts/csv.ts'
import { snippet } from '../../console/src/playground/snippets.ts'
import { momentsOf } from '../../console/src/requests/request-moments.ts'
import { requestsSentence } from '../../console/src/requests/requests-sentence.ts'
import { tenantsSentence } from '../../console/src/tenants/tenants-sentence.ts'
import { duration, finePercent, promised, seconds } from '../../console/src/units.ts'
import { chartGroupsOf } from '../../console/src/usage/usage-query.ts'
import { seriesOf } from '../../console/src/usage/usage-series.ts'
import type {
  FloorView,
  KeyView,
  RequestView,
  TenantView,
  UsageRow,
} from '../../src/http/contract.ts'

const { tenants, engines, tokensPerSlotS } = smallInstallation()
const simulation = new Simulation(tenants, engines, tokensPerSlotS, 1_790_000_000_000)
const busy: FloorView = { ...simulation.view(), demo: null, toyModel: false }

const said = (floor: FloorView) => {
  const { before, emphasis, after } = floorSentence(floor)
  return (before + emphasis + after).replaceAll('\u00a0', ' ')
}

/** A floor on which nothing happens. */
const quiet: FloorView = {
  ...busy,
  engines: busy.engines.map((engine) => ({ ...engine, slots: [] })),
  tenants: busy.tenants.map((tenant) => ({ ...tenant, inFlight: 0, waiting: 0 })),
  queue: [],
  waitingByClass: { priority: 0, standard: 0, flex: 0, batch: 0 },
}

describe('the mill floor’s sentence', () => {
  test('an idle pool says how much is free', () => {
    assert.equal(said(quiet), 'The pool is idle. 8 slots are free.')
    assert.equal(floorContext(quiet), '1 engine · nobody at work')
  })

  test('without an engine it says so, why, and who waits', () => {
    const [engine] = busy.engines
    assert.ok(engine)
    const down = {
      ...engine,
      state: 'down' as const,
      stateReason: 'It does not answer.',
      slots: [],
    }
    const waiting = quiet.tenants.map((tenant, at) => ({ ...tenant, waiting: at === 0 ? 2 : 0 }))
    const floor = { ...quiet, engines: [down], tenants: waiting }
    assert.equal(said(floor), 'The pool has no engine up: It does not answer. 2 requests wait.')
    assert.equal(floorSentence(floor).tone, 'bad')
    assert.equal(said({ ...quiet, engines: [] }), 'The pool has no engine up.')
  })

  test('a full pool names who waits against its promise', () => {
    assert.equal(
      said(waitingFloor({ serviceUnits: 250, entitledUnits: 250, ttftP99Ms: 400 })),
      'The pool is full and fair. Support waits 0.4 s, its promise is 1 s.',
    )
  })

  test('a tenant that gets less than its due is named with both shares', () => {
    assert.match(
      said(waitingFloor({ serviceUnits: 50, entitledUnits: 250, ttftP99Ms: 400 }, 1500)),
      /^The pool is full\. Support got 6\.3 % of the last minute, 25 % is due\.$/,
    )
    assert.match(
      said(waitingFloor({ serviceUnits: 50, entitledUnits: 250, ttftP99Ms: 400 })),
      /full and fair/,
      'little demand that is served in time is no unfairness',
    )
  })

  test('late first tokens are said before anything kinder', () => {
    assert.match(
      said(waitingFloor({ serviceUnits: 250, entitledUnits: 250, ttftP99Ms: 7100 })),
      /but late for Support: first tokens take up to 7\.1 s, 1 s is promised\.$/,
    )
    assert.match(
      said(waitingFloor({ serviceUnits: 2500, entitledUnits: 250, ttftP99Ms: 7100 })),
      /but late for Support, which asks for more than its due: first tokens/,
    )
  })

  function waitingFloor(
    figures: Pick<FloorView['tenants'][number], 'serviceUnits' | 'entitledUnits' | 'ttftP99Ms'>,
    waitedMs = 400,
  ): FloorView {
    const [support, ...others] = quiet.tenants
    const [entry] = busy.queue
    assert.ok(support && entry)
    const waiting = { ...support, waiting: 1, ttftSamples: 50, ...figures }
    const rest = others.map((one) => ({
      ...one,
      serviceUnits: 250,
      entitledUnits: 250,
      ttftSamples: 0,
    }))
    const own = { tenantId: support.id, serviceClass: 'standard' as const, waitedMs }
    return { ...quiet, tenants: [waiting, ...rest], queue: [{ ...entry, ...own }] }
  }
})

describe('seats', () => {
  const running = (...ids: string[]) =>
    ids.map((requestId) => ({ requestId, express: requestId.startsWith('x') }))

  test('a request keeps its place until it ends, and its place is used again', () => {
    const first = seat([], running('a', 'b', 'c'), 3, 1)
    assert.deepEqual(first, ['a', 'b', 'c', null])
    const second = seat(first, running('c', 'a'), 3, 1)
    assert.deepEqual(second, ['a', null, 'c', null])
    assert.deepEqual(seat(second, running('c', 'd', 'a'), 3, 1), ['a', 'd', 'c', null])
  })

  test('express requests sit behind the cap; nothing that runs is hidden', () => {
    assert.deepEqual(seat([], running('x1', 'a'), 2, 1), ['a', null, 'x1'])
    assert.equal(seat([], running('a', 'b', 'c', 'd'), 2, 1).length, 4)
  })

  test('an unchanged floor is the same object, so that nothing is drawn again', () => {
    const first = seat([], running('a'), 2, 0)
    assert.equal(seat(first, running('a'), 2, 0), first)
  })
})

test('the queue is a line for each tenant, class and model, headed by who starts first', () => {
  const groups = queueGroups(busy.queue)
  const keys = busy.queue.map(({ tenantId, serviceClass }) => tenantId + serviceClass)
  assert.equal(groups.length, new Set(keys).size)
  for (const { head, entries, waitedMsMax } of groups) {
    assert.equal(head.aheadOwn, Math.min(...entries.map(({ aheadOwn }) => aheadOwn)))
    assert.equal(waitedMsMax, Math.max(...entries.map(({ waitedMs }) => waitedMs)))
  }
})

const usageRow = (hour: string, tenantId: string, outputTokens: number): UsageRow => ({
  hour,
  day: null,
  tenantId,
  projectId: null,
  keyId: null,
  model: null,
  serviceClass: null,
  requests: 1,
  finished: 1,
  cut: 0,
  recovered: 0,
  inputTokens: 30,
  cachedTokens: 10,
  outputTokens,
  engineMs: 1,
  queueMs: 1,
  rented: 0,
  spendNanos: 0,
  chargeNanos: '0',
  unpriced: 0,
  hits: 0,
  hitInputTokens: 0,
  hitOutputTokens: 0,
})

test('usage by hour becomes one series for each tenant, with nothing where nothing was used', () => {
  const rows = [usageRow('2026-11-01T00:00:00Z', 'a', 5), usageRow('2026-11-01T02:00:00Z', 'b', 50)]
  const series = seriesOf(rows, '2026-11-01T00:00:00Z', '2026-11-01T03:00:00Z')
  assert.equal(series.stepHours, 1)
  assert.deepEqual(series.tenants, [
    { tenantId: 'b', units: [0, 0, 120] },
    { tenantId: 'a', units: [30, 0, 0] },
  ])
  const week = seriesOf(rows, '2026-11-01T00:00:00Z', '2026-11-08T00:00:00Z')
  assert.deepEqual([week.stepHours, week.times.length], [6, 28])
})

test('usage by day begins with the whole of the first day, also without tenants', () => {
  const row = { ...usageRow('', 'a', 5), hour: null, tenantId: null }
  const rows = [
    { ...row, day: '2026-11-01' },
    { ...row, day: '2026-11-03' },
  ]
  const series = seriesOf(rows, '2026-11-01T15:00:00Z', '2026-11-03T15:00:00Z')
  assert.equal(series.stepHours, 24)
  assert.equal(series.times[0], Date.parse('2026-11-01T00:00:00Z') / 1000)
  assert.deepEqual(series.tenants, [{ tenantId: null, units: [30, 0, 30] }])
})

test('a chart of usage asks for no more than it can read to the end', () => {
  assert.equal(chartGroupsOf('day', 4), 'hour,tenant')
  assert.equal(chartGroupsOf('day', 500), 'hour')
  assert.deepEqual(
    [4, 100, 500].map((tenants) => chartGroupsOf('week', tenants)),
    ['hour,tenant', 'day,tenant', 'day'],
  )
  assert.deepEqual(
    [4, 100].map((tenants) => chartGroupsOf('month', tenants)),
    ['day,tenant', 'day'],
  )
})

test('the audit log can be narrowed to whatever is written into it', () => {
  const sources = globSync('src/**/*.ts').filter((path) => !path.endsWith('.test.ts'))
  const actions = sources.flatMap((path) => {
    const text = readFileSync(path, 'utf8')
    return [...text.matchAll(/\baction: '([a-z_-]+\.[a-z_-]+)'/g)].map(([, name = '']) => name)
  })
  assert.ok(actions.length > 20)
  const strange = actions.filter(
    (name) => !kinds.some(({ prefix }) => prefix !== '' && name.startsWith(prefix)),
  )
  assert.deepEqual(strange, [])
})

test('CSV quotes what must be, and no cell runs as a formula', () => {
  const csv = csvOf(
    ['Name', 'Units'],
    [
      ['a "b", c', 1.5],
      ['=1+1', null],
      ['line\nbreak', -2],
    ],
  )
  assert.equal(csv, 'Name,Units\r\n"a ""b"", c",1.5\r\n\'=1+1,\r\n"line\nbreak",-2\r\n')
})

test('code examples carry the conversation, safely quoted, and never a key', () => {
  const settings = {
    tenantId: 'ten_1',
    model: 'smollm2-135m',
    serviceClass: 'standard' as const,
    system: '',
    temperature: 0.7,
    maxTokens: 64,
  }
  const messages = [{ role: 'user' as const, content: "What's “toll”?\nReally" }]
  const make = (language: 'curl' | 'TypeScript' | 'Python') =>
    snippet(language, 'http://127.0.0.1:4400', settings, messages)
  assert.match(make('curl'), /-d '\{[\s\S]*What'\\''s/)
  assert.match(make('curl'), /"service_tier": "default"/)
  assert.match(make('TypeScript'), /baseURL: 'http:\/\/127\.0\.0\.1:4400\/v1'/)
  assert.match(make('Python'), /stream=True,/)
  assert.match(make('Python'), /\\nReally/)
})

test('figures are written with their unit and no false precision', () => {
  const plain = (text: string) => text.replaceAll('\u00a0', ' ')
  assert.deepEqual(
    [117, 999, 1500, 31_000, 180_000, 7_200_000].map((ms) => plain(duration(ms))),
    ['117 ms', '999 ms', '1.5 s', '31 s', '3 min', '2 h'],
  )
  assert.deepEqual(
    [400, 12_300].map((ms) => plain(seconds(ms))),
    ['0.4 s', '12 s'],
  )
  assert.deepEqual(
    [1000, 1500].map((ms) => plain(promised(ms))),
    ['1 s', '1.5 s'],
  )
  assert.deepEqual(
    [0, 0.024, 0.38].map((one) => plain(finePercent(one))),
    ['0 %', '2.4 %', '38 %'],
  )
})

describe('a request’s way', () => {
  const done: RequestView = {
    id: 'req_1',
    tenantId: 'ten_1',
    projectId: 'prj_1',
    keyId: 'key_1',
    endUser: null,
    sessionId: null,
    model: 'gpt-4o-mini',
    endpoint: '/v1/messages',
    serviceClass: 'standard',
    servedClass: 'standard',
    arrivedAt: '2026-01-01T00:00:00.000Z',
    settledAt: '2026-01-01T00:00:03.000Z',
    group: 'finished',
    end: 'done',
    estimated: false,
    inputTokens: 20,
    cachedTokens: 4,
    outputTokens: 50,
    queueMs: 400,
    engineMs: 2000,
    ttftMs: 520,
    tokenGapMs: 30,
    engineId: 'eng_1',
    rentedTarget: null,
    spendNanos: null,
    chargeNanos: null,
    priceVersion: null,
    cacheWriteTokens: null,
    reasoningTokens: null,
    hitInputTokens: null,
    hitOutputTokens: null,
    guards: null,
  }
  const way = (change: Partial<RequestView>) =>
    momentsOf({ ...done, ...change }, () => 'gpu-1', 'small').map(({ name, afterMs, note }) =>
      `${afterMs ?? '?'} ${name}: ${note}`.replaceAll('\u00a0', ' '),
    )

  test('goes from the door by queue and engine to its end', () => {
    assert.deepEqual(way({}), [
      '0 Arrived: at /v1/messages, asking for gpt-4o-mini, an alias of the route small, as standard',
      '400 Sent to gpu-1: after 400 ms in the queue',
      '520 First token: 120 ms after it was sent: prompt read, first token made',
      '2400 Ended: answered: 20 tokens in (4 cached), 50 out',
    ])
  })

  test('tells of overflow with what it cost, and of another class', () => {
    const rented = { rentedTarget: 'big on rented', spendNanos: 2_000_000, queueMs: 0 }
    const [, sent, , ended] = way({ ...rented, servedClass: 'flex' })
    assert.match(
      sent ?? '',
      /^1000 .* target big on rented, so as not to be late: after 1.0 s in the queue, as flex$/,
    )
    assert.match(ended ?? '', /; it cost 0\.002$/)
  })

  test('invents no moment that the ledger does not have', () => {
    const nothing = { engineId: null, ttftMs: null, engineMs: 0, end: 'refused' }
    assert.deepEqual(way(nothing).slice(1), [
      '? No engine was reached: ',
      '400 Ended: refused: 20 tokens in (4 cached), 50 out',
    ])
    const open = { engineId: null, settledAt: null, end: null, queueMs: null, ttftMs: null }
    assert.deepEqual(way(open).slice(1), [
      '? Waits: or was sent less than a second ago',
      '? Not ended yet: ',
    ])
    const [, hit] = way({ engineId: null, ttftMs: null, hitInputTokens: 20, hitOutputTokens: 5 })
    assert.match(hit ?? '', /Found in the response cache: no engine was asked/)
  })
})

describe('what pages begin with', () => {
  const tenant = (name: string, weight: number) => ({ name, weight, keyCount: 1 }) as TenantView
  const plain = (text: string) => text.replaceAll('\u00a0', ' ')

  test('tenants: nobody is due the most where several are due as much', () => {
    const [a, b, c] = [tenant('A', 2), tenant('B', 2), tenant('C', 1)]
    const ends = (words: string) => new RegExp(`share the pool. ${words}\\.$`)
    assert.match(plain(tenantsSentence([a, c], false)), ends('A is due the most, 67 %'))
    assert.match(plain(tenantsSentence([a, b], false)), ends('Each is due the same, 50 %'))
    assert.match(
      plain(tenantsSentence([a, b, c], false)),
      ends('2 of them are due the most each, 40 %'),
    )
  })

  test('lists of which only the beginning was read are not told as all there is', () => {
    const [tenant] = tenants
    assert.ok(tenant)
    const many = (length: number) =>
      Array.from({ length }, () => ({ ...tenant, weight: 1, keyCount: 1 }) as unknown as TenantView)
    assert.match(plain(tenantsSentence(many(4999), false)), /^4,999 tenants share the pool\. Each/)
    assert.equal(
      plain(tenantsSentence(many(5000), false)),
      'At least 5,000 tenants share the pool.',
    )
    const key = { state: 'active', lastUsedAt: 'now', expiresAt: null }
    const keys = (length: number) => Array.from({ length }, () => key as KeyView)
    assert.equal(plain(keysSentence(keys(4999), undefined, true)), '4,999 keys work.')
    assert.equal(plain(keysSentence(keys(5000), undefined, true)), 'At least 5,000 keys work.')
  })

  test('requests: no time is no wait', () => {
    const row = (queueMs: number) => ({ settledAt: 'now', queueMs, group: 'finished' })
    const said = (...waits: number[]) =>
      plain(requestsSentence(waits.map(row) as RequestView[], false))
    assert.match(said(0, 0, 9), /Half of them did not wait\.$/)
    assert.match(said(20, 20, 20), /Half of them waited less than 20 ms\.$/)
  })
})
