import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setImmediate as turn } from 'node:timers/promises'
import { FakeClock } from './fake-clock.ts'
import { Reading } from './reading.ts'

function watched() {
  const clock = new FakeClock()
  const open: PromiseWithResolvers<void>[] = []
  const failures: unknown[] = []
  const reading = new Reading({
    clock,
    read: () => {
      const one = Promise.withResolvers<void>()
      open.push(one)
      return one.promise
    },
    onFailing: (error) => failures.push(error),
  })
  const end = async (error?: Error) => {
    const one = open.shift()
    if (error === undefined) one?.resolve()
    else one?.reject(error)
    await turn()
  }
  return { clock, reading, open, failures, end }
}

test('changes during a reading are in the one that follows it, which all of them share', async () => {
  const { reading, open, end } = watched()
  reading.soon()
  await turn()
  let isRead = false
  reading.soon()
  void reading.now().then(() => {
    isRead = true
  })
  await turn()
  assert.equal(open.length, 1)
  await end()
  assert.deepEqual([open.length, isRead], [1, false])
  await end()
  assert.deepEqual([open.length, isRead], [0, true])
})

test('what could not be read is read again until it is, and told once', async () => {
  const { clock, reading, open, failures, end } = watched()
  reading.soon()
  for (const reason of ['first', 'second']) {
    await turn()
    await end(new Error(reason))
    assert.equal(open.length, 0)
    clock.advance(1000)
  }
  assert.deepEqual(failures, [new Error('first')])
  await turn()
  await end()
  clock.advance(5000)
  await turn()
  assert.equal(open.length, 0)
  reading.soon()
  await turn()
  await end(new Error('later'))
  assert.deepEqual(failures, [new Error('first'), new Error('later')])
})

test('once it is stopped nothing is tried again, and who asked is told', async () => {
  const { clock, reading, open, end } = watched()
  const asked = assert.rejects(reading.now(), /gone/)
  reading.soon()
  await turn()
  await Promise.all([end(new Error('gone')), asked])
  await turn()
  const stopped = reading.stop()
  await end(new Error('gone'))
  await stopped
  clock.advance(5000)
  await turn()
  assert.equal(open.length, 0)
})
