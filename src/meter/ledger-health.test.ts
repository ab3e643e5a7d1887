import assert from 'node:assert/strict'
import { it } from 'node:test'
import { createLogger, FakeClock } from '../base/index.ts'
import { LedgerHealth } from './ledger-health.ts'

function health(awayMsMax: number) {
  const clock = new FakeClock()
  const made = new LedgerHealth({ clock, logger: createLogger('silent', 'test'), awayMsMax })
  const told: boolean[] = []
  made.onChange((healthy) => told.push(healthy))
  return { clock, made, told }
}

it('without its database the ledger goes on for a set time, and tells when that is over', () => {
  const { clock, made, told } = health(5000)
  made.failed(new Error('gone'))
  clock.advance(4999)
  made.failed(new Error('still gone'))
  assert.deepEqual([made.healthy, made.awayMsLeft], [true, 1])
  clock.advance(1)
  made.tell()
  assert.deepEqual([made.healthy, made.awayMsLeft, told], [false, 0, [false]])
  made.wrote()
  assert.deepEqual([made.healthy, made.awayMsLeft, told], [true, 5000, [false, true]])
})

it('without that time, without a disk, or full it refuses at once', () => {
  const { made } = health(0)
  made.failed(new Error('gone'))
  assert.equal(made.healthy, false)
  made.wrote()
  assert.equal(made.healthy, true)
  const other = health(5000).made
  other.diskFailed(new Error('no space left'))
  assert.equal(other.healthy, false)
  other.wrote()
  other.setFull(true)
  assert.equal(other.healthy, false)
})
