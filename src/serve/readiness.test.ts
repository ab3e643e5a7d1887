import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Member } from '../cluster/index.ts'
import type { Ledger } from '../meter/index.ts'
import type { Pool } from '../pool/index.ts'
import type { DatabasePart } from './database-part.ts'
import { readiness } from './readiness.ts'

/** What a gateway says of itself whose only engine does not answer. */
function said(membership?: { isCutOff: boolean }) {
  const member = membership && { membership, role: 'follower', pool: { hasHope: true } }
  const part = {
    database: { isUp: () => true },
    lease: { state: () => ({ kind: 'held' }) },
    member: member as Member,
  }
  const ledger: Pick<Ledger, 'healthy' | 'awayMsLeft'> = {
    healthy: () => true,
    awayMsLeft: () => 0,
  }
  const engine = { engine: { name: 'gpu' }, state: 'down', reason: 'connection refused' }
  const pool = { engines: new Map([['e', engine]]) }
  return readiness(part as unknown as DatabasePart, ledger, pool as unknown as Pool, false)
}

test('a gateway that no engine answers is ready as long as none answers others either', () => {
  const down = 'Engine gpu: connection refused'
  assert.deepEqual(said(), { ready: true, reasons: [down] })
  assert.deepEqual(said({ isCutOff: false }), { ready: true, reasons: [down] })
  const { ready, reasons } = said({ isCutOff: true })
  assert.equal(ready, false)
  assert.deepEqual(reasons, ['No engine answers this gateway, while some answer others.', down])
})
