import assert from 'node:assert/strict'
import { it } from 'node:test'
import { sealBytes, seededRandom, systemRandom, unsealBytes } from './index.ts'

const key = seededRandom(1).bytes(32)
const content = Buffer.from('Grain, ground.')

it('opens what it sealed, and nothing in it can be read before', () => {
  const sealed = sealBytes(key, content, 'file_1', systemRandom)
  assert.equal(sealed.includes('Grain'), false)
  assert.deepEqual(unsealBytes(key, sealed, 'file_1'), content)
})

it('seals the same content differently each time', () => {
  const twice = [1, 2].map(() => sealBytes(key, content, 'file_1', systemRandom).toString('hex'))
  assert.notEqual(twice[0], twice[1])
})

it('does not open with another key, for another owner, or after a change', () => {
  const sealed = sealBytes(key, content, 'file_1', systemRandom)
  assert.throws(() => unsealBytes(seededRandom(2).bytes(32), sealed, 'file_1'))
  assert.throws(() => unsealBytes(key, sealed, 'file_2'))
  for (const position of [0, 12, sealed.length - 1]) {
    const changed = Buffer.from(sealed)
    changed.writeUInt8(changed.readUInt8(position) ^ 1, position)
    assert.throws(() => unsealBytes(key, changed, 'file_1'))
  }
})
