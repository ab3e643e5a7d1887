import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import {
  existsSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  statSync,
  utimesSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { after, describe, it } from 'node:test'
import { GristmillError, systemClock } from '../base/index.ts'
import { type OpenHomeOptions, openHome } from './home.ts'
import { processStart } from './processes.ts'

const folder = mkdtempSync(join(tmpdir(), 'gristmill-home-'))
after(() => rmSync(folder, { recursive: true }))

let count = 0
const newPath = () => join(folder, `home-${count++}`)

const open = (home: string, more: Partial<OpenHomeOptions> = {}) =>
  openHome({ home }, systemClock, { what: 'gristmill start', ...more })

const refusedWith = (code: string, pattern?: RegExp) => (error: unknown) => {
  assert.ok(error instanceof GristmillError, String(error))
  assert.equal(error.code, code)
  if (pattern) assert.match(error.message, pattern)
  return true
}

/** Opens a home in a process of its own, which then runs the code and waits to be killed. */
async function openElsewhere(home: string, code = '') {
  const load = (file: string) => `await import(${JSON.stringify(import.meta.resolve(file))})`
  const script = `
    const { systemClock } = ${load('../base/index.ts')}
    const { openHome, startChild } = ${load('./index.ts')}
    const config = { home: ${JSON.stringify(home)} }
    const home = await openHome(config, systemClock, { what: 'gristmill start' })
    ${code}
    console.log('open')
    setInterval(() => {}, 1000)`
  const args = ['--input-type=module', '-e', script]
  const holder = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'inherit'] })
  await once(createInterface({ input: holder.stdout }), 'line')
  return holder
}

async function kill(holder: Awaited<ReturnType<typeof openElsewhere>>) {
  holder.kill('SIGKILL')
  await once(holder, 'exit')
}

describe('the data home', () => {
  it('is made with its folders and can be opened again after release', async () => {
    const path = newPath()
    const home = await open(path)
    assert.ok(statSync(home.folder('models')).isDirectory())
    home.release()
    const again = await open(path)
    again.release()
  })

  it('in use elsewhere is refused, naming who holds it since when', async () => {
    const path = newPath()
    const holder = await openElsewhere(path)
    const expected = new RegExp(`process ${holder.pid} \\(gristmill start, since 20\\d\\d-`)
    await assert.rejects(open(path), refusedWith('home_locked', expected))
    await kill(holder)
  })

  it('is taken over after its holder was killed with -9', async () => {
    const path = newPath()
    await kill(await openElsewhere(path))
    const waits: string[] = []
    const home = await open(path, { onWait: (message) => waits.push(message) })
    assert.deepEqual(waits, [])
    home.release()
  })

  it('is not held by a process that merely got the id of a dead holder', async () => {
    const path = newPath()
    const home = await open(path)
    const lock = JSON.parse(readFileSync(join(path, 'lock'), 'utf8'))
    home.release()
    writeFileSync(join(path, 'lock'), JSON.stringify({ ...lock, start: 'another boot:1' }))
    const again = await open(path)
    again.release()
  })

  it('goes to exactly one of many that find the same dead holder', async () => {
    const path = newPath()
    const home = await open(path)
    const lock = readFileSync(join(path, 'lock'), 'utf8').replace(/"start":"[^"]*"/, '"start":"x"')
    home.release()
    writeFileSync(join(path, 'lock'), lock)
    const results = await Promise.allSettled(Array.from({ length: 8 }, () => open(path)))
    const won = results.filter((result) => result.status === 'fulfilled')
    assert.equal(won.length, 1)
    won[0]?.value.release()
  })

  it('shared with another host is held while that host touches the lock', async () => {
    const path = newPath()
    const home = await open(path)
    const lock = JSON.parse(readFileSync(join(path, 'lock'), 'utf8'))
    home.release()
    writeFileSync(join(path, 'lock'), JSON.stringify({ ...lock, host: 'elsewhere' }))
    await assert.rejects(open(path), refusedWith('home_locked', /on host elsewhere/))
    const longAgo = new Date(systemClock.nowMs() - 60_000)
    utimesSync(join(path, 'lock'), longAgo, longAgo)
    const again = await open(path)
    again.release()
  })

  it('waits for children of a killed holder to stop, and says so', async () => {
    const path = newPath()
    const goOn = newPath()
    const holder = await openElsewhere(
      path,
      `const slow = "const isDone = () => require('fs').existsSync(process.argv[1]);" +
        "process.on('SIGTERM', () => setInterval(() => isDone() && process.exit(), 20));" +
        "setInterval(() => {}, 1000); console.log('up')"
      const ready = Promise.withResolvers()
      await startChild({
        name: 'engine', command: process.execPath, env: {},
        args: ['-e', slow, ${JSON.stringify(goOn)}],
        stop: [], orphanStop: [{ signal: 'SIGTERM', waitMs: 60_000 }],
        onStdoutLine: ready.resolve, pidFile: home.folder('run') + '/engine.json',
      })
      await ready.promise`,
    )
    await kill(holder)
    const waits: string[] = []
    const onWait = (message: string) => {
      waits.push(message)
      writeFileSync(goOn, '')
    }
    const home = await open(path, { onWait })
    assert.equal(waits.length, 1)
    assert.match(waits[0] ?? '', /Waiting for engine \(process \d+\)/)
    home.release()
  })

  it('ends children whose watcher was killed as well', async () => {
    const path = newPath()
    const holder = await openElsewhere(
      path,
      `await startChild({
        name: 'engine', command: process.execPath, args: ['-e', 'setInterval(() => {}, 1000)'],
        env: {}, stop: [], orphanStop: [{ signal: 'SIGTERM', waitMs: 100 }],
        pidFile: home.folder('run') + '/engine.json',
      })`,
    )
    const record = JSON.parse(readFileSync(join(path, 'run', 'engine.json'), 'utf8'))
    // Stopped first, so that the watcher cannot see the parent go.
    process.kill(record.watcherPid, 'SIGSTOP')
    await kill(holder)
    process.kill(record.watcherPid, 'SIGKILL')
    const home = await open(path)
    assert.equal(processStart(record.childPid), undefined)
    home.release()
  })

  it('leaves a program alone that was given the process id of a child of ours', async () => {
    const path = newPath()
    ;(await open(path)).release()
    const idle = ['-e', 'setInterval(() => {}, 1000)']
    const other = spawn(process.execPath, idle, { stdio: ['ignore', 'pipe', 'inherit'] })
    await once(other, 'spawn')
    const file = join(path, 'run', 'engine.json')
    const [command, stop] = [process.execPath, [{ signal: 'SIGTERM', waitMs: 100 }]]
    const record = { name: 'engine', command, args: ['engine-process.js', '--port', '1'], stop }
    const pids = { childPid: other.pid, watcherPid: 2 ** 22 + 1 }
    writeFileSync(file, JSON.stringify({ ...record, ...pids }))
    const home = await open(path)
    assert.ok(!existsSync(file))
    assert.notEqual(processStart(other.pid ?? 0), undefined)
    home.release()
    await kill(other)
  })

  it('on a full disk is refused with the free bytes', async () => {
    const refused = refusedWith('disk_full', /bytes free/)
    await assert.rejects(open(newPath(), { freeBytesMin: Number.MAX_SAFE_INTEGER }), refused)
  })

  it('at a place that is a file is refused with the reason', async () => {
    const file = newPath()
    writeFileSync(file, '')
    await assert.rejects(open(file), refusedWith('home_unusable', /file/))
    await assert.rejects(open(join(file, 'inside')), refusedWith('home_unusable', /file/))
  })

  it('keeps a secret over restarts, readable by its owner only', async () => {
    const path = newPath()
    const home = await open(path)
    const secret = home.secret('session')
    assert.equal(secret.length, 32)
    assert.notDeepEqual(home.secret('other'), secret)
    assert.equal(statSync(join(home.folder('secrets'), 'session')).mode & 0o777, 0o600)
    home.release()
    const again = await open(path)
    assert.deepEqual(again.secret('session'), secret)
    again.release()
  })

  it('puts another secret in the place of one only when told so', async () => {
    const path = newPath()
    const home = await open(path)
    const before = home.secret('keys')
    assert.equal(home.pendingSecret('keys'), undefined)
    const { secret, commit } = home.renewSecret('keys')
    assert.notDeepEqual(secret, before)
    home.release()
    const again = await open(path)
    assert.deepEqual([again.secret('keys'), again.pendingSecret('keys')], [before, secret])
    commit()
    assert.deepEqual([again.secret('keys'), again.pendingSecret('keys')], [secret, undefined])
    assert.equal(statSync(join(again.folder('secrets'), 'keys')).mode & 0o777, 0o600)
    again.release()
  })
})
