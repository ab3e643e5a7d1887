import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { cli } from './test-cli.ts'

const folder = mkdtempSync(join(tmpdir(), 'gristmill-profile-'))
const profile = {
  name: 'gpu-1',
  basis: 'Calibrated on 2026-11-28 through the gateway.',
  cap: 8,
  express: 1,
  readTokensPerS: 2000,
  chunkTokens: 256,
  chunkTokensAlone: 512,
  decode: [
    { streams: 1, stepMs: 10 },
    { streams: 8, stepMs: 20 },
  ],
  kvTokens: 65_536,
  contextTokens: 4096,
  prefixCache: true,
  yields: 'step',
  spare: 8,
}

const engine = {
  id: 'eng_1',
  name: 'gpu-1',
  state: 'up',
  stateReason: 'It answers.',
  capacityUnitsPerS: 1234,
  calibratedAt: '2026-11-28T10:00:00.000Z',
  cap: 8,
  express: 1,
}
const step = { registeredS: 900, upS: 900, degradedS: 0, drainingS: 0, attempts: 20, failed: 0 }
const history = {
  engineId: 'eng_1',
  fromAt: '2026-11-28T00:00:00.000Z',
  stepS: 900,
  stepCount: 8,
  steps: [
    { ...step, at: '2026-11-28T00:00:00.000Z' },
    { ...step, at: '2026-11-28T00:15:00.000Z', upS: 600 },
    { ...step, at: '2026-11-28T00:30:00.000Z', upS: 899.5, degradedS: 60 },
    { ...step, at: '2026-11-28T01:30:00.000Z', upS: 899.5 },
  ],
  changes: [{ at: '2026-11-28T00:31:00.000Z', state: 'degraded', reason: 'It is silent.' }],
  errors: [
    {
      spanS: 3600,
      attempts: 40,
      failed: 4,
      causes: [
        { cause: 'broken', count: 3 },
        { cause: 'status_503', count: 1 },
      ],
    },
  ],
}

const server = createServer((request, response) => {
  const { pathname } = new URL(request.url ?? '', 'http://localhost')
  const isProfile = pathname === '/api/engines/eng_1/profile'
  const isHistory = pathname === '/api/engines/eng_1/history'
  const engines = { rows: [engine], next: null }
  response.end(JSON.stringify(isProfile ? profile : isHistory ? history : engines))
})
await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
after(() => {
  server.close()
  rmSync(folder, { recursive: true })
})
const { port } = server.address() as AddressInfo
const environment = { GRISTMILL_URL: `http://127.0.0.1:${port}`, GRISTMILL_HOME: '/nonexistent' }

test('an engine is shown with its last day, what failed there, and why it changed', async () => {
  const told = await cli(['engine', 'show', 'gpu-1'], environment)
  assert.equal(told.code, 0, told.err)
  assert.match(
    told.out,
    /^gpu-1 is up: It answers\.\nCapacity 1,230 units\/s, calibrated 2026-11-28/,
  )
  assert.match(told.out, /\|█▄ ▁\|/)
  assert.match(told.out, /1 h 0 min +40 +4 +10 % +3 broken, 1 status_503\n/)
  assert.match(told.out, /degraded +It is silent\./)
  const json = await cli(['engine', 'show', 'eng_1', '--json'], environment)
  assert.deepEqual(JSON.parse(json.out), { engine, history })
})

test('a calibrated engine is written as a profile, and a plan is made with it', async () => {
  const told = await cli(['engine', 'profile', 'gpu-1'], environment)
  assert.equal(told.code, 0, told.err)
  assert.deepEqual(JSON.parse(told.out), profile)
  const [engine, trace] = ['gpu-1.json', 'trace.csv'].map((name) => join(folder, name))
  writeFileSync(engine ?? '', told.out)
  const rows = Array.from({ length: 60 }, (_, i) => `${i},team-${i % 2},standard,50,20,`)
  writeFileSync(trace ?? '', ['time_s,tenant,class,input,output,prefix', ...rows, ''].join('\n'))
  const words = ['plan', '--trace', trace ?? '', '--engine', engine ?? '', '--json']
  const plan = await cli(words, environment)
  assert.equal(plan.code, 0, plan.err)
  const report = JSON.parse(plan.out) as { engine: { name: string; basis: string } }
  assert.equal(report.engine.name, 'gpu-1')
  assert.match(report.engine.basis, /^Calibrated/)
})
