import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setImmediate as turn } from 'node:timers/promises'
import { Cohort } from './cohort.ts'

test('what arrives in one turn goes on after it, together and in order', async () => {
  const cohort = new Cohort()
  const done: string[] = []
  const add = (name: string) => cohort.add(() => done.push(name))
  add('first')
  add('second')
  await Promise.resolve()
  add('third')
  assert.deepEqual(done, [])
  await turn()
  assert.deepEqual(done, ['first', 'second', 'third'])
})

test('what a step brings waits for the next turn', async () => {
  const cohort = new Cohort()
  const done: string[] = []
  cohort.add(() => {
    cohort.add(() => done.push('later'))
    done.push('first')
  })
  await turn()
  assert.deepEqual(done, ['first'])
  await turn()
  assert.deepEqual(done, ['first', 'later'])
})
