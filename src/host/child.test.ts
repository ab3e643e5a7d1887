import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, readFileSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { after, describe, it } from 'node:test'
import { childEnvironment } from '../base/index.ts'
import { eventually } from '../base/test-eventually.ts'
import { type ChildOptions, startChild } from './child.ts'
import { commandLine, isRunning, processStart } from './processes.ts'

const folder = mkdtempSync(join(tmpdir(), 'gristmill-child-'))
after(() => rmSync(folder, { recursive: true }))

/** A child that runs a piece of JavaScript. */
function javascript(code: string, more: Partial<ChildOptions> = {}): ChildOptions {
  return {
    name: 'example',
    command: process.execPath,
    args: ['-e', code],
    env: childEnvironment(),
    stop: [{ signal: 'SIGTERM', waitMs: 5000 }],
    orphanStop: [{ signal: 'SIGTERM', waitMs: 200 }],
    ...more,
  }
}

const FOREVER = 'setInterval(() => {}, 1000)'

/** What to run in a process of its own that starts a child, says its pid and waits. */
const parentCode = (options: ChildOptions) => `
  const { startChild } = await import(${JSON.stringify(import.meta.resolve('./child.ts'))})
  const child = await startChild(${JSON.stringify(options)})
  console.log(child.pid)
  ${FOREVER}`

async function startParent(options: ChildOptions) {
  const args = ['--input-type=module', '-e', parentCode(options)]
  const parent = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'inherit'] })
  const [line] = (await once(createInterface({ input: parent.stdout }), 'line')) as [string]
  return { parent, childPid: Number(line) }
}

describe('a child process', () => {
  it('hands over its output line by line and tells how it ended', async () => {
    const lines: string[] = []
    const child = await startChild(
      javascript('console.log("one"); console.log("two"); process.exitCode = 7', {
        onStdoutLine: (line) => lines.push(line),
      }),
    )
    assert.deepEqual(await child.exited, { code: 7, signal: null })
    await eventually('both lines came', () => lines.length === 2)
    assert.deepEqual(lines, ['one', 'two'])
  })

  it('ends by its first signal when asked to stop, and asking again is harmless', async () => {
    const child = await startChild(javascript(FOREVER))
    const [first, second] = await Promise.all([child.stop(), child.stop()])
    assert.deepEqual(first, { code: null, signal: 'SIGTERM' })
    assert.deepEqual(second, first)
    assert.deepEqual(await child.stop(), first)
  })

  it('is killed when it ignores the polite signals', async () => {
    const lines: string[] = []
    const child = await startChild(
      javascript(`process.on('SIGTERM', () => {}); console.log('up'); ${FOREVER}`, {
        stop: [{ signal: 'SIGTERM', waitMs: 50 }],
        onStdoutLine: (line) => lines.push(line),
      }),
    )
    await eventually('it ignores SIGTERM', () => lines.includes('up'))
    assert.equal((await child.stop()).signal, 'SIGKILL')
  })

  it('that cannot be started is an error with a reason', async () => {
    await assert.rejects(startChild(javascript('', { command: join(folder, 'absent') })), /ENOENT/)
  })

  it('ends when its parent is killed with -9', async () => {
    const { parent, childPid } = await startParent(javascript(FOREVER))
    const start = processStart(childPid)
    assert.ok(isRunning(childPid, start))
    parent.kill('SIGKILL')
    await eventually('the child is gone', () => !isRunning(childPid, start))
  })

  it('ends when its parent is killed with -9 although it ignores SIGTERM', async () => {
    const stubborn = `process.on('SIGTERM', () => {}); ${FOREVER}`
    const { parent, childPid } = await startParent(javascript(stubborn))
    const start = processStart(childPid)
    parent.kill('SIGKILL')
    await eventually('the child is gone', () => !isRunning(childPid, start))
  })

  it('ends when its watcher is killed, and its parent hears of it', async () => {
    const pidFile = join(folder, 'watched.json')
    const child = await startChild(javascript(FOREVER, { pidFile }))
    const start = processStart(child.pid)
    const { watcherPid } = JSON.parse(readFileSync(pidFile, 'utf8')) as { watcherPid: number }
    assert.match(commandLine(watcherPid) ?? '', /watcher-process/)
    process.kill(watcherPid, 'SIGKILL')
    assert.match((await child.exited).reason ?? '', /watcher/)
    await eventually('the child is gone', () => !isRunning(child.pid, start))
  })

  it('is out of reach of Ctrl-C in our terminal', async () => {
    const child = await startChild(javascript(FOREVER))
    const groupOf = (pid: number) =>
      readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1]?.split(' ')[2]
    assert.notEqual(groupOf(child.pid), groupOf(process.pid))
    await child.kill()
  })

  it('writes its log within a bound, keeping what is newest', async () => {
    const log = { path: join(folder, 'bounded.log'), maxBytes: 10_000 }
    const code = 'for (let i = 0; i < 3000; i++) console.error("line " + i)'
    const child = await startChild(javascript(code, { log }))
    await child.exited
    await eventually('the log is complete', () =>
      readFileSync(log.path, 'utf8').includes('line 2999'),
    )
    assert.ok(statSync(log.path).size <= log.maxBytes)
    assert.ok(statSync(`${log.path}.1`).size <= log.maxBytes)
  })
})
