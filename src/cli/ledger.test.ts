/** The books on the command line, against a stand-in of the API. */
import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, beforeEach, test } from 'node:test'
import { cli } from './test-cli.ts'

const statement = {
  ...{ number: 12, kind: 'statement', tenantId: 'ten_a', tenantName: 'Support', total: '0.04' },
  ...{ fromAt: '2026-11-01T00:00:00.000Z', toAt: '2026-12-01T00:00:00.000Z', currency: 'EUR' },
  ...{ hash: 'ab'.repeat(32), signature: 'cd'.repeat(64), corrects: null, correctedBy: null },
}
const cost = { amount: '12.5', currency: 'EUR', basis: 'Engines by the hour' }
const listComparison = {
  ...{ cost, requests: 9, inputTokens: 1000, cachedTokens: 40, outputTokens: 10 },
  tokenFactor: { low: 0.9, high: 1.2, basis: 'As it was asked for.' },
  services: [
    {
      ...{ provider: 'openai', model: 'gpt-x', currency: 'USD', asCounted: '3', low: '2.7' },
      ...{ high: '4', asOf: '2026-01-02', ageDays: 300, isOutdated: true },
    },
  ],
  caveat: 'No saving and no loss.',
}
const ownEngines = {
  ...{ cost, draws: 4, costPerEngineHour: '2', costBasis: 'The mean.', cannot: null },
  engine: { name: 'h100-8b', basis: 'Public figures.' },
  engines: { asItWas: 3, low: 2, high: 4 },
  amount: { asItWas: '4320', low: '2880', high: '5760' },
  tenants: [{ tenantId: 'ten_a', requests: 9, asItWas: 3, low: 2, high: 4 }],
  caveat: 'No saving.',
}
const times = { fromAt: '2026-11-01T00:00:00.000Z', toAt: '2026-12-01T00:00:00.000Z' }
const large = '1250000000.5'
const trend = {
  months: [{ fromAt: times.fromAt, used: large, idle: '3', rented: '0' }],
  forecast: { ...times, days: 9, month: { expected: large, low: large, high: large } },
}
const chargeback = {
  ...times,
  engines: [],
  ...{ unallocated: null, engineCost: large, overflowCost: '0' },
  tenants: [
    {
      ...{ tenantId: 'ten_a', total: large, lentS: 0, cachedTokens: 0, hitTokens: 0 },
      overflow: [],
      lines: [
        { kind: 'entitled', amount: large },
        { kind: 'entitled', amount: '2' },
      ],
    },
  ],
}
let broken: object | null = null
let seen: { line: string; body: unknown }[] = []

const server = createServer((request, response) => {
  let text = ''
  request.on('data', (chunk: Buffer) => (text += chunk.toString()))
  request.on('end', () => {
    const { method = '', url = '' } = request
    seen.push({ line: `${method} ${url}`, body: text === '' ? null : JSON.parse(text) })
    const { pathname, searchParams } = new URL(url, 'http://localhost')
    if (pathname === '/api/ledger/close') {
      response.end(JSON.stringify({ statements: [statement], warnings: ['No cost is set.'] }))
    } else if (pathname === '/api/ledger/verify') {
      const isFirst = searchParams.get('part') === 'requests' && !searchParams.has('after')
      const next = isFirst ? 'req_9' : null
      const dropped = { requests: 7, before: '2026-01-01T00:00:00.000Z' }
      const found = { checked: 20, open: 0, next, broken: isFirst ? null : broken, dropped }
      response.end(JSON.stringify(found))
    } else if (pathname === '/api/ledger/reconciliations') {
      const found = [{ class: 'price', lines: 2, difference: '0.2' }]
      response.end(JSON.stringify({ id: 3, blocking: 1, classes: found }))
    } else if (pathname.startsWith('/api/ledger/comparison')) {
      response.end(JSON.stringify(pathname.endsWith('engines') ? ownEngines : listComparison))
    } else if (pathname === '/api/costs') response.end(JSON.stringify(trend))
    else if (pathname === '/api/chargeback') response.end(JSON.stringify(chargeback))
    else if (pathname === '/api/tenants') {
      response.end(JSON.stringify({ rows: [{ id: 'ten_a', name: 'Support' }], next: null }))
    } else if (pathname === '/api/ledger/focus') response.end(Buffer.from([0x50, 0xff, 0]))
    else if (searchParams.has('format')) response.end('<!doctype html>')
    else response.end(JSON.stringify(statement))
  })
})
await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
after(() => server.close())
beforeEach(() => {
  seen = []
  broken = null
})
const { port } = server.address() as AddressInfo
const environment = { GRISTMILL_URL: `http://127.0.0.1:${port}`, GRISTMILL_HOME: '/nonexistent' }
const run = (line: string) => cli(line.split(' '), environment)

test('a month is closed as a whole', async () => {
  const { code, out, err } = await run('ledger close --period 2026-12 --rule use')
  assert.equal(code, 0, err)
  const times = { from: '2026-12-01T00:00:00.000Z', to: '2027-01-01T00:00:00.000Z' }
  const body = { ...times, rule: 'use', basis: 'cost' }
  assert.deepEqual(seen, [{ line: 'POST /api/ledger/close', body }])
  assert.match(out, /12 +statement +Support +2026-11-01 00:00 .*0\.04 EUR/)
  assert.match(err, /No cost is set\./)
  assert.equal((await run('ledger close --period 2026-13')).code, 2)
  const { length } = seen
  for (const to of ['2026-11-31', '2026-02-29T12:00', '2026-02-30T00:00:00Z', '2026-02-00']) {
    assert.equal((await run(`ledger close --from 2026-01-01 --to ${to}`)).code, 2, to)
  }
  assert.equal(seen.length, length)
  assert.equal((await run('ledger close --from 2028-02-29 --to 2028-03-01T12:30')).code, 0)
})

test('a statement is printed as its page, and taken back with a reason', async () => {
  const { out } = await run('ledger statement 12 --format html')
  assert.equal(out.trim(), '<!doctype html>')
  await run('ledger reopen 12 --reason wrong')
  const line = 'POST /api/statements/12/reopen'
  assert.deepEqual(seen.at(-1), { line, body: { reason: 'wrong' } })
  assert.equal((await run('ledger reopen twelve --reason wrong')).code, 2)
})

test('a statement is printed into a PDF by a browser of the machine', {
  skip: existsSync('/usr/bin/chromium') ? false : 'needs Chromium: apt-get install chromium',
}, async () => {
  const folder = mkdtempSync(join(tmpdir(), 'gristmill-print-'))
  try {
    const file = join(folder, 'statement 12.pdf')
    const { code, err } = await cli(['ledger', 'statement', '12', '--pdf', file], environment)
    assert.equal(code, 0, err)
    assert.equal(readFileSync(file).subarray(0, 5).toString(), '%PDF-')
    assert.deepEqual(readdirSync(folder), ['statement 12.pdf'])
  } finally {
    rmSync(folder, { recursive: true })
  }
})

test('the proof goes through all parts, and fails at the first broken row', async () => {
  const whole = await run('ledger verify')
  assert.equal(whole.code, 0, whole.err)
  assert.match(
    whole.out,
    /The books are whole: 40 requests, .* 20 days; 20 statements\.\s+7 requests of before 2026-01/,
  )
  const path = '/api/ledger/verify?part'
  assert.deepEqual(
    seen.map(({ line }) => line),
    [
      `GET ${path}=requests`,
      `GET ${path}=requests&after=req_9`,
      `GET ${path}=usage`,
      `GET ${path}=statements`,
    ],
  )
  broken = { id: 'req_17', what: 'never closed' }
  const { code, out } = await run('ledger verify')
  assert.equal(code, 1)
  assert.match(out, /Broken: req_17: never closed\./)
})

test('a bill is read from its file, and what differs is said', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'gristmill-bill-'))
  const file = join(folder, 'far-away.csv')
  writeFileSync(file, 'day,model,cost,key\n2026-11-02,x,1.5,k\n2026-11-04,x-1,2,k\n')
  const names = '--model x-1=x --key k=far --engine far --threshold 0.01'
  const { code, out, err } = await run(`ledger reconcile --source ${file} ${names}`)
  assert.equal(code, 0, err)
  const row = { model: 'x', key: 'far', tokens: null, rounding: '0.05' }
  const rows = [
    { ...row, day: '2026-11-02', amount: '1.5' },
    { ...row, day: '2026-11-04', amount: '2' },
  ]
  const sha256 = createHash('sha256').update(readFileSync(file)).digest('hex')
  const days = { fromDay: '2026-11-02', toDay: '2026-11-05' }
  const asked = { source: 'far-away', sha256, ...days, threshold: '0.01', engines: ['far'], rows }
  assert.deepEqual(seen.at(-1), { line: 'POST /api/ledger/reconciliations', body: asked })
  assert.match(out, /price +2 +0\.2[\s\S]*Reconciliation 3 of 2026-11-02 to 2026-11-05/)
  assert.match(err, /One line keeps their period open until booked/)
  const wrong = await run(`ledger reconcile --source ${file} --column tokens=count`)
  assert.match(wrong.err, /no column count/)
  assert.notEqual(wrong.code, 0)
  const variance = 'ledger variance 3 --line 2 --reason credit'
  await run(variance)
  const path = 'POST /api/ledger/reconciliations/3/lines/2/variance'
  assert.deepEqual(seen.at(-1), { line: path, body: { reason: 'credit' } })
  rmSync(folder, { recursive: true })
})

test('statements go into a file of Parquet, byte by byte', async () => {
  const { code, out } = await run('ledger focus --period 2026-11 --format parquet')
  assert.deepEqual([code, out], [0, 'P\xff\0'])
  assert.match(seen[0]?.line ?? '', /from=2026-11-01T00.*&format=parquet&version=1\.3$/)
})

test('use goes out as events, with options of its own beside those of usage', async () => {
  const { code, err } = await run('usage export --format cloudevents --from 2026-11-01')
  assert.equal(code, 0, err)
  const from = '2026-11-01T00%3A00%3A00.000Z'
  assert.equal(seen[0]?.line, `GET /api/usage/events?format=ndjson&from=${from}`)
})

test('work is compared with list prices, whose age is told, and nothing is called a saving', async () => {
  const line = 'ledger compare --period 2026-11 --service openai/gpt-x --token-factor 0.9-1.2'
  const { code, out, err } = await run(line)
  assert.equal(code, 0, err)
  assert.match(
    seen[0]?.line ?? '',
    /service=openai%2Fgpt-x&tokenFactorLow=0.9&tokenFactorHigh=1.2$/,
  )
  assert.match(out, /cost 12\.500000 EUR here/)
  assert.match(
    out,
    /openai\/gpt-x +3\.000000 +2\.700000 +4\.000000 +USD +2026-01-02, outdated: 300/,
  )
  assert.match(out, /No saving and no loss\.\n$/)
  assert.equal((await run(`${line.slice(0, -7)}1.2-0.9`)).code, 2)
})

test('work is compared with engines of each tenant alone', async () => {
  const { code, out, err } = await run('ledger compare --period 2026-11 --engine h100-8b')
  assert.equal(code, 0, err)
  const { from, to, engine, draws } = (seen[0]?.body ?? {}) as Record<string, unknown>
  assert.deepEqual(
    [from, to, engine, draws],
    ['2026-11-01T00:00:00.000Z', '2026-12-01T00:00:00.000Z', 'h100-8b', 4],
  )
  assert.match(out, /3 in all \(2 to 4 over 4 traces drawn from it\): 4320\.000000 EUR/)
  assert.match(out, /Support +9 +3 +2 +4/)
  assert.match(out, /No saving\.\n$/)
})

test('terms of discounts are set as a whole, and are something or an end', async () => {
  const set = 'discount set --plan partner --from 2027-01 --json'
  await run(`${set} --free 5 --tier 100:5 --tier 1000:12.5`)
  const tiers = [
    { above: '100', percent: '5' },
    { above: '1000', percent: '12.5' },
  ]
  const body = { plan: 'partner', from: '2027-01', free: { unit: 'money', amount: '5' }, tiers }
  assert.deepEqual(seen, [{ line: 'POST /api/discounts', body }])
  await run(`${set} --end`)
  const end = { plan: 'partner', from: '2027-01', free: null, tiers: [] }
  assert.deepEqual(seen.at(-1)?.body, end)
  for (const wrong of ['', ' --free 5 --end', ' --free 5 --free-tokens 5']) {
    assert.notEqual((await run(set + wrong)).code, 0, wrong)
  }
  assert.equal(seen.length, 2)
})

test('costs of a thousand million and more are told, as small units of money make them', async () => {
  const shared = await run('ledger chargeback')
  assert.match(shared.out, /Support +1250000002\.500000 /)
  const { out } = await run('ledger trend')
  assert.match(out, /2026-11 +1250000000\.500000 +3\.000000 +–/)
  assert.match(out, /2026-11 will come to about 1250000000\.500000, nine times out of ten/)
})
