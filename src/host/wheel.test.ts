import assert from 'node:assert/strict'
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, it } from 'node:test'
import { bytesIn } from './wheel.ts'

const folder = mkdtempSync(join(tmpdir(), 'gristmill-wheel-'))
after(() => rmSync(folder, { recursive: true, force: true }))

it('what pip has fetched is counted, also where it is gone as it is looked at', () => {
  mkdirSync(join(folder, 'pip-unpack'))
  writeFileSync(join(folder, 'log'), 'xx')
  writeFileSync(join(folder, 'pip-unpack', 'small.whl'), 'xxxxx')
  symlinkSync(join(folder, 'gone'), join(folder, 'link'))
  assert.equal(bytesIn(folder), 7)
  assert.equal(bytesIn(join(folder, 'gone')), 0)
})
