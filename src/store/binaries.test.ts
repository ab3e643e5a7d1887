import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { chmodSync, cpSync, existsSync, mkdirSync, mkdtempSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, describe, it } from 'node:test'
import { findPackage, prepareBinaries } from './binaries.ts'
import { serverUser } from './system-user.ts'

const root = mkdtempSync(join(tmpdir(), 'gristmill-binaries-'))
chmodSync(root, 0o711)
after(() => rmSync(root, { recursive: true }))

/** The package as npm leaves it when install scripts are off: no links, perhaps no mode bits. */
function freshPackage(name: string) {
  const folder = join(root, name)
  const native = join(folder, 'native')
  cpSync(findPackage().native, native, {
    recursive: true,
    verbatimSymlinks: true,
    filter: (path) => !path.endsWith('.a') && !isLinkTarget(path),
  })
  chmodSync(join(native, 'bin', 'postgres'), 0o644)
  return { folder, native, version: 'test' }
}

const isLinkTarget = (path: string) =>
  /\.so(\.\d+)?$/.test(path) && /lib(icu|pq|ecpg|pgtypes)/.test(path)

const runs = (path: string) =>
  execFileSync(path, ['--version'], { encoding: 'utf8', uid: serverUser()?.uid, cwd: '/' })

describe("PostgreSQL's programs", () => {
  it('run after an install without install scripts', () => {
    const fresh = freshPackage('fresh')
    const { postgres } = prepareBinaries(join(root, 'unused'), serverUser(), fresh)
    assert.match(runs(postgres), /PostgreSQL\) 18/)
    assert.ok(postgres.startsWith(fresh.native))
    assert.equal(statSync(postgres).mode & 0o111, 0o111)
  })

  const skip = process.getuid?.() === 0 ? false : 'only root runs the server as another user'
  it('are copied when their user cannot pass through to them', { skip }, () => {
    const closed = freshPackage('closed')
    chmodSync(closed.folder, 0o700)
    const copies = join(root, 'copies')
    mkdirSync(copies)
    const { postgres } = prepareBinaries(copies, serverUser(), closed)
    assert.match(runs(postgres), /PostgreSQL\) 18/)
    assert.ok(existsSync(join(copies, 'postgresql-test')))
  })
})
