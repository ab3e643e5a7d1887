import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { readdirSync, readFileSync, truncateSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { childEnvironment, systemClock } from '../base/index.ts'
import { Journal } from './journal.ts'
import { journalFolder } from './test-journal.ts'

const row = (n: number, text = '') => JSON.stringify({ n, text })
const filesIn = (folder: string) => readdirSync(folder).sort()

describe('a journal', () => {
  it('has after a kill what was appended, in groups of any size', async () => {
    const folder = journalFolder()
    const journal = await Journal.open(folder)
    await journal.append([row(1), row(2, 'ä"\n')])
    await journal.append([row(3)])
    assert.deepEqual((await Journal.open(folder)).left, [row(1), row(2, 'ä"\n'), row(3)])
    await journal.close()
  })

  it('leaves nothing where all was booked before it closed', async () => {
    const folder = journalFolder()
    const journal = await Journal.open(folder)
    const file = await journal.append([row(1), row(2)])
    journal.booked(file)
    journal.booked(file)
    await journal.close()
    assert.deepEqual(filesIn(folder), [])
    await assert.rejects(journal.append([row(3)]), /closed/)
  })

  it('keeps what an earlier run left until it is told that this is booked', async () => {
    const folder = journalFolder()
    const first = await Journal.open(folder)
    await first.append([row(1)])
    await first.close()
    const second = await Journal.open(folder)
    await second.append([row(2)])
    await second.close()
    const third = await Journal.open(folder)
    assert.deepEqual([...third.left].sort(), [row(1), row(2)])
    await third.forgetLeft()
    assert.deepEqual(third.left, [])
    assert.deepEqual(filesIn(folder), [])
    await third.close()
  })

  it('writes over files whose rows are booked, and what was in them does not come back', async () => {
    const folder = journalFolder()
    const journal = await Journal.open(folder)
    const text = 'x'.repeat(100_000)
    for (let n = 0; n < 60; n++) journal.booked(await journal.append([row(n, text)]))
    await journal.append([row(60)])
    assert.ok(filesIn(folder).length <= 2, `${filesIn(folder).length} files`)
    const next = await Journal.open(folder)
    assert.ok(next.left.includes(row(60)))
    assert.ok(next.left.length <= 20, `${next.left.length} rows of the last two files`)
    await Promise.all([journal.close(), next.close()])
  })

  it('refuses a group that no file holds', async () => {
    const journal = await Journal.open(journalFolder())
    await assert.rejects(journal.append([row(1, 'x'.repeat(1 << 20))]), /too large/)
    await journal.close()
  })

  it('reads whole groups up to the first damage, wherever a file is cut or changed', async () => {
    const folder = journalFolder()
    const journal = await Journal.open(folder)
    const groups = [[row(1), row(2)], [row(3)], [row(4), row(5), row(6)]]
    for (const group of groups) await journal.append(group)
    const [name = ''] = filesIn(folder)
    const path = join(folder, name)
    const bytes = readFileSync(path)
    await journal.close()
    const whole = groups.flat()
    const end = bytes.lastIndexOf('}') + 1
    const seed = systemClock.nowMs() % 2 ** 31
    process.stderr.write(`seed ${seed}\n`)
    const at = fc.integer({ min: 0, max: end - 1 })
    const property = fc.asyncProperty(at, fc.boolean(), async (place, isCut) => {
      const damaged = Buffer.from(bytes)
      damaged[place] = (damaged[place] ?? 0) ^ 1
      writeFileSync(path, damaged)
      if (isCut) truncateSync(path, place)
      const { left } = await Journal.open(folder)
      assert.deepEqual(left, whole.slice(0, left.length))
      assert.ok([0, 2, 3].includes(left.length), `${left.length} rows`)
    })
    await fc.assert(property, { seed, numRuns: 60 })
  })
})

/** Appends large rows until that fails, where no file may have more than half of its length. */
const WRITER = `
  const { Journal } = await import(${JSON.stringify(new URL('journal.ts', import.meta.url).href)})
  const journal = await Journal.open(process.argv[1])
  let durable = 0
  try {
    for (;;) {
      await journal.append([JSON.stringify({ text: 'x'.repeat(100_000) })])
      durable++
    }
  } catch {
    console.log(durable)
  }`

describe('a disk that takes only a part of a write', () => {
  it('is full, and what was durable before is there', async () => {
    const folder = journalFolder()
    const command = `ulimit -f 512; exec "$0" --input-type=module --eval "$1" "$2"`
    const args = ['-c', command, process.execPath, WRITER, folder]
    const durable = Number(execFileSync('bash', args, { env: childEnvironment() }))
    assert.equal((await Journal.open(folder)).left.length, durable)
    assert.deepEqual(filesIn(folder), [], 'a file without its full length is not kept')
  })
})
