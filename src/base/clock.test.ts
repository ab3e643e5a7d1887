import assert from 'node:assert/strict'
import { test } from 'node:test'
import { systemClock } from './clock.ts'

test('what is months away does not happen at once', async () => {
  const ran: string[] = []
  const farMs = 90 * 86_400_000
  const once = systemClock.after(farMs, () => ran.push('after'))
  const again = systemClock.every(farMs, () => ran.push('every'))
  const stop = new AbortController()
  const sleeping = systemClock.sleep(farMs, stop.signal).then(() => ran.push('sleep'))
  await systemClock.sleep(20)
  assert.deepEqual(ran, [])
  once.cancel()
  again.cancel()
  stop.abort(new Error('enough'))
  await assert.rejects(sleeping, /enough/)
})
