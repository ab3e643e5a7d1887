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

const server = createServer((request, response) => {
  const { pathname } = new URL(request.url ?? '', 'http://localhost')
  const isProfile = pathname === '/api/engines/eng_1/profile'
  const engines = { rows: [{ id: 'eng_1', name: 'gpu-1' }], next: null }
  response.end(JSON.stringify(isProfile ? profile : engines))
})
await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
after(() => {
  server.close()
  rmSync(folder, { recursive: true })
})
const { port } = server.address() as AddressInfo
const environment = { GRISTMILL_URL: `http://127.0.0.1:${port}`, GRISTMILL_HOME: '/nonexistent' }

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
