import assert from 'node:assert/strict'
import { test } from 'node:test'
import { cli } from './test-cli.ts'

test('a wrong value is told by the flag or the variable that it came from', async () => {
  const flag = await cli(['tenant', 'list', '--url', 'localhost:4400'], {})
  assert.equal(flag.code, 1)
  assert.match(flag.err, /not valid: --url: must begin with http/)
  const variable = await cli(['tenant', 'list'], { GRISTMILL_URL: 'localhost:4400' })
  assert.match(variable.err, /not valid: GRISTMILL_URL: must begin with http/)
  const start = await cli(['start', '--log-level', 'loud'], {})
  assert.match(start.err, /not valid: --log-level: /)
})
