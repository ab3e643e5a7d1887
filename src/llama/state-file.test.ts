import assert from 'node:assert/strict'
import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { test } from 'node:test'
import { openStateFile } from './state-file.ts'

test('what is written lies in memory and has no name', {
  skip: process.platform !== 'linux',
}, () => {
  const named = () => readdirSync('/dev/shm').filter((name) => name.startsWith('gristmill-'))
  const file = openStateFile((error) => assert.fail(String(error)))
  assert.ok(file?.path)
  writeFileSync(file.path, 'a long one')
  writeFileSync(file.path, 'short')
  assert.equal(readFileSync(file.path, 'utf8'), 'short')
  assert.deepEqual(named(), [])
  file.close()
})

test('after a failure it is not used again, which is told once', {
  skip: process.platform !== 'linux',
}, () => {
  const told: unknown[] = []
  const file = openStateFile((error) => told.push(error))
  file?.giveUp(new Error('no space left'))
  file?.giveUp(new Error('no space left'))
  assert.equal(file?.path, undefined)
  assert.equal(told.length, 1)
  file?.close()
})
