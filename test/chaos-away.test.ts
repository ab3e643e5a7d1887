import assert from 'node:assert/strict'
import { it } from 'node:test'
import { chaosAway } from '../bench/chaos-away.ts'

it('a gateway that is alone goes on without its database, and all is settled once', async () => {
  const result = await chaosAway({ seconds: 2, secondsMax: 60 })
  const { lost, doubled, openIntents, budgetsOff, tenants, readyWhileAway } = result
  const told = JSON.stringify(result)
  assert.deepEqual({ lost, doubled, openIntents, budgetsOff }, NOTHING_WRONG, told)
  for (const { toldTokens, ledgerTokens } of tenants) assert.equal(toldTokens, ledgerTokens, told)
  const [free, budgeted, edge, unknown] = tenants
  for (const one of [free, budgeted]) {
    assert.deepEqual(one?.away.errors, {}, told)
    assert.ok((one?.away.answered ?? 0) > 0, told)
  }
  const refusals = Object.keys({ ...edge?.away.errors, ...edge?.after.errors })
  assert.deepEqual(
    refusals.filter((code) => !EXPECTED_AT_THE_EDGE.includes(code)),
    [],
    told,
  )
  assert.deepEqual(Object.keys(unknown?.away.errors ?? {}), ['not_ready'], told)
  assert.equal(readyWhileAway.status, 200, told)
  assert.match(readyWhileAway.reasons.join(), /database cannot be reached; .* journal/)
})

const NOTHING_WRONG = { lost: 0, doubled: 0, openIntents: 0, budgetsOff: 0 }
/** Beyond what is leased, and in the end beyond the budget. */
const EXPECTED_AT_THE_EDGE = ['ledger_unavailable', 'budget_reserved', 'budget_used_up']
