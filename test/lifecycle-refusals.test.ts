/**
 * Starts that cannot succeed: one clear line with what to do, exit code 1, nothing left running.
 */
import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { once } from 'node:events'
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { type AddressInfo, createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, describe, it } from 'node:test'
import { eventually } from '../src/base/test-eventually.ts'
import { writeToyModel } from '../src/llama/index.ts'
import { beginServer, newHome, processesOf, removeHome, type ServerOptions } from './server.ts'

const folder = mkdtempSync(join(tmpdir(), 'gristmill-refusals-'))
chmodSync(folder, 0o711)
const home = newHome()
after(() => {
  removeHome(home)
  removeHome(folder)
})

const isRoot = process.getuid?.() === 0

/** Starts, expects a refusal, and returns its one line. */
async function refusal(options: ServerOptions): Promise<string> {
  const starting = beginServer({ home, ...options })
  const { code, stdout, stderr } = await starting.ended
  assert.equal(stdout, '')
  assert.equal(code, 1, stderr)
  assert.equal(stderr.split('\n').length, 1, `one line and no stack trace:\n${stderr}`)
  assert.match(stderr, /^gristmill: .+ — .+\.$/)
  assert.deepEqual(processesOf(starting.home), [])
  return stderr
}

describe('a data home that cannot be used', () => {
  it('a file of that name', async () => {
    const file = join(folder, 'file')
    writeFileSync(file, '')
    assert.match(await refusal({ home: file }), /cannot be used: there is a file of that name/)
  })

  it('a folder that we, or as root the user of PostgreSQL, may not enter', async () => {
    const closed = join(folder, 'closed')
    mkdirSync(closed, { mode: isRoot ? 0o700 : 0o000 })
    const line = await refusal({ home: isRoot ? join(closed, 'home') : closed })
    assert.match(line, isRoot ? /may not pass through \S+closed/ : /permission denied/)
    chmodSync(closed, 0o700)
  })

  it('a full disk', { skip: withoutTmpfs() }, async () => {
    const disk = join(folder, 'disk')
    mkdirSync(disk)
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=32m,mode=711', 'tmpfs', disk])
    try {
      const line = await refusal({ home: join(disk, 'home') })
      assert.match(line, /The disk under \S+ is full \(\d+ bytes free\) — Free some space/)
    } finally {
      execFileSync('umount', [disk])
    }
  })
})

describe('a database that cannot be used', () => {
  const wrong: [string, string, RegExp][] = [
    ['nobody listens', 'postgres://me:secret@127.0.0.1:1/db', /nothing accepts connections/],
    ['an unknown host', 'postgres://me:secret@nowhere.invalid/db', /host name is unknown/],
    ['no PostgreSQL URL', 'mysql://me:secret@127.0.0.1/db', /not a URL of the form postgresql:/],
  ]
  for (const [name, url, expected] of wrong) {
    it(name, async () => {
      const line = await refusal({ env: { DATABASE_URL: url } })
      assert.match(line, expected)
      assert.match(line, /DATABASE_URL/)
      assert.doesNotMatch(line, /secret/)
    })
  }

  it('found out while an engine starts, which a machine that was measured lets it', async () => {
    const own = newHome()
    const isStarted = () => existsSync(join(own, 'run', 'engine.json'))
    // Whoever connects is left alone until the engine runs.
    const silent = createServer((socket) => {
      void eventually('the engine runs', isStarted).finally(() => socket.destroy())
    })
    try {
      mkdirSync(join(own, 'calibration'))
      writeFileSync(join(own, 'calibration', 'calibration-other.json'), '{}')
      await once(silent.listen(0, '127.0.0.1'), 'listening')
      const { port } = silent.address() as AddressInfo
      const url = `postgres://me@127.0.0.1:${port}/db`
      await refusal({ home: own, env: { DATABASE_URL: url } })
      assert.ok(existsSync(join(own, 'logs', 'engine.log')), 'it was started')
    } finally {
      silent.close()
      removeHome(own)
    }
  })
})

describe('settings that cannot be', () => {
  it('a variable out of its range is named', async () => {
    const line = await refusal({ env: { GRISTMILL_ENGINE_CAP: '0' } })
    assert.match(line, /GRISTMILL_ENGINE_CAP/)
  })

  it('an address of another machine', async () => {
    assert.match(await refusal({ args: ['--host', '192.0.2.1'] }), /no address of this machine/)
  })

  it('a model that cannot be had is told before anything is made', async () => {
    const file = join(folder, 'model.gguf')
    const whole = join(folder, 'whole.gguf')
    await writeToyModel(whole, { kind: 'markov', seed: 1, contextTokens: 256 })
    writeFileSync(file, readFileSync(whole).subarray(0, -5000))
    const unmade = join(folder, 'unmade')
    const wrong: [string, RegExp][] = [
      [file, /model.gguf cannot be used: it is cut off/],
      ['someone/something/else.gguf', /not on this machine, and GRISTMILL_OFFLINE is set/],
    ]
    for (const [model, told] of wrong) {
      assert.match(await refusal({ home: unmade, model }), told)
      assert.ok(!existsSync(unmade), model)
    }
    const env = { GRISTMILL_EMBEDDING_MODEL: whole }
    assert.match(await refusal({ home: unmade, env }), /whole.gguf writes texts/)
    assert.ok(!existsSync(unmade))
  })
})

/** Why no small disk can be made here, or false where it can. */
function withoutTmpfs(): string | false {
  if (!isRoot || process.platform !== 'linux') return 'only root on Linux can mount a small disk'
  const probe = join(folder, 'probe')
  mkdirSync(probe)
  try {
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=1m', 'tmpfs', probe], { stdio: 'pipe' })
    execFileSync('umount', [probe])
    return false
  } catch (error) {
    return `mounting is not allowed here: ${String((error as Error).message).trim()}`
  } finally {
    rmSync(probe, { recursive: true })
  }
}
