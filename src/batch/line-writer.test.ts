import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createLogger, GristmillError, systemClock } from '../base/index.ts'
import type { EndedLine } from './batch-types.ts'
import { LineWriter } from './line-writer.ts'

const lineEnd = (line: number, text = 'x'): EndedLine => ({
  line,
  outcome: 'completed',
  requestId: `req_${line}`,
  inputTokens: 1,
  cachedTokens: 0,
  outputTokens: 1,
  text,
})

function writerWith(store: (ends: readonly EndedLine[]) => Promise<Set<number>>) {
  const broken: string[] = []
  const writer = new LineWriter({
    clock: systemClock,
    logger: createLogger('silent', 'test'),
    batchId: 'batch_1',
    store,
    onBroken: () => broken.push(writer.broken?.code ?? 'nothing'),
  })
  return { writer, broken }
}

const all = (ends: readonly EndedLine[]) => new Set(ends.map(({ line }) => line))

test('ends that come while a group is written go together in the next', async () => {
  const groups: number[][] = []
  const { writer } = writerWith(async (ends) => {
    groups.push(ends.map(({ line }) => line))
    await systemClock.sleep(5)
    return all(ends)
  })
  const fates = await Promise.all([1, 2, 3, 4].map((line) => writer.add(lineEnd(line))))
  assert.deepEqual(fates, ['stored', 'stored', 'stored', 'stored'])
  assert.deepEqual(groups, [[1], [2, 3, 4]])
})

test('a group holds a bounded amount of text, and any one line', async () => {
  const groups: number[] = []
  const { writer } = writerWith(async (ends) => {
    groups.push(ends.length)
    return all(ends)
  })
  const large = 'x'.repeat(5 * 1024 * 1024)
  await Promise.all([1, 2, 3].map((line) => writer.add(lineEnd(line, large))))
  await writer.add(lineEnd(4, large + large))
  assert.deepEqual(groups, [1, 1, 1, 1])
})

test('what was answered before is dropped', async () => {
  const { writer } = writerWith(async () => new Set([2]))
  const fates = await Promise.all([1, 2].map((line) => writer.add(lineEnd(line))))
  assert.deepEqual(fates.sort(), ['dropped', 'stored'])
})

test('it tries again while the database is away', async () => {
  let tries = 0
  const { writer, broken } = writerWith(async (ends) => {
    if (++tries < 3) throw Object.assign(new Error('away'), { code: 'ECONNREFUSED' })
    return all(ends)
  })
  assert.equal(await writer.add(lineEnd(1)), 'stored')
  assert.equal(tries, 3)
  assert.deepEqual(broken, [])
})

test('closing ends the tries; nobody can tell then what was stored', async () => {
  const { writer } = writerWith(async () => {
    throw Object.assign(new Error('away'), { code: 'ECONNREFUSED' })
  })
  const fate = writer.add(lineEnd(1))
  await systemClock.sleep(20)
  writer.close()
  assert.equal(await fate, 'unknown')
  assert.equal(await writer.add(lineEnd(2)), 'unknown')
})

test('files that are gone are reported, and the lines dropped', async () => {
  const { writer, broken } = writerWith(async () => {
    throw new GristmillError('not_found', { kind: 'file', id: 'file_1' })
  })
  assert.equal(await writer.add(lineEnd(1)), 'dropped')
  assert.deepEqual(broken, ['not_found'])
})
