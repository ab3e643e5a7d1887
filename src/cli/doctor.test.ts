import assert from 'node:assert/strict'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { FakeClock } from '../base/index.ts'
import { examine } from './doctor.ts'
import { systemTerminal } from './terminal.ts'

test('a server that hangs is found to, and not waited for', async () => {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  const asked = once(server, 'request')
  const clock = new FakeClock()
  const home = mkdtempSync(join(tmpdir(), 'gristmill-doctor-'))
  const environment = { GRISTMILL_HOME: home }
  const context = { terminal: systemTerminal(), environment, clock }
  const examined = examine(context, { url: `http://127.0.0.1:${port}` })
  await asked
  clock.advance(10_000)
  const findings = await examined
  server.closeAllConnections()
  server.close()
  rmSync(home, { recursive: true })
  const { state, found } = findings.find(({ what }) => what === 'server') ?? {}
  assert.equal(state, 'fail')
  assert.equal(found, `http://127.0.0.1:${port} does not answer (nothing came).`)
})
