/**
 * Child processes that never outlive us: each runs under a watcher (watcher-process.mjs) that
 * holds a pipe to this process and stops its command when the pipe closes, also after kill -9.
 */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import type { Readable, Writable } from 'node:stream'
import { fileURLToPath } from 'node:url'
import { isRunning, processStart, signalProcess } from './processes.ts'

/** One step of a stop: the signal, and how long to wait before the next. SIGKILL comes last. */
export interface StopStep {
  signal: NodeJS.Signals
  waitMs: number
}

export interface ChildOptions {
  /** For messages and the record in the data home. */
  name: string
  command: string
  args: string[]
  env: NodeJS.ProcessEnv
  cwd?: string
  /** Run as this user; only root may ask for another. */
  uid?: number | undefined
  gid?: number | undefined
  /** How `stop()` ends it. */
  stop: StopStep[]
  /** How the watcher ends it when this process is gone; must be over within 10 s. */
  orphanStop: StopStep[]
  /** Called for each line on its stdout; without it stdout is not read. */
  onStdoutLine?: (line: string) => void
  /** Where stderr goes; by default to our own stderr. */
  log?: { path: string; maxBytes: number }
  /** Where the watcher records the pids while the child runs. */
  pidFile?: string
}

/** How a child ended: with an exit code, by a signal, or without having started (`reason`). */
export interface ChildExit {
  code: number | null
  signal: string | null
  reason?: string
}

export interface Child {
  /** Process id of the command itself. */
  readonly pid: number
  /** Resolves once the command has ended and its last words are in the log; never rejects. */
  readonly exited: Promise<ChildExit>
  /** Ends the command by its stop sequence; resolves when it is gone. Safe to call again. */
  stop(): Promise<ChildExit>
  /** Ends it at once. */
  kill(): Promise<ChildExit>
}

const WATCHER = fileURLToPath(new URL('./watcher-process.mjs', import.meta.url))

/**
 * Starts a command under a watcher, in a session of its own so that Ctrl-C reaches only us.
 * @returns once the command runs
 * @throws Error when it cannot be started
 */
export async function startChild(options: ChildOptions): Promise<Child> {
  const { onStdoutLine, env, ...order } = options
  const watcher = spawn(process.execPath, [WATCHER, JSON.stringify(order)], {
    env,
    detached: true,
    stdio: ['pipe', onStdoutLine ? 'pipe' : 'ignore', options.log ? 'ignore' : 'inherit', 'pipe'],
  })
  const control = watcher.stdin as Writable
  // The watcher may be gone already; what became of the child is told by `exited`.
  control.on('error', () => control.destroy())
  if (onStdoutLine) createInterface({ input: watcher.stdout as Readable }).on('line', onStdoutLine)
  const events = readEvents(watcher.stdio[3] as Readable, watcher)
  const pid = await events.started
  const start = processStart(pid)
  const exited = events.exited.then((exit) => {
    // A watcher that was killed leaves its command behind.
    if (exit.reason !== undefined && isRunning(pid, start)) signalProcess(pid, 'SIGKILL')
    return exit
  })
  const tell = (word: string) => {
    if (control.writable) control.write(`${word}\n`)
    return exited
  }
  return { pid, exited, stop: () => tell('stop'), kill: () => tell('kill') }
}

interface Events {
  started: Promise<number>
  exited: Promise<ChildExit>
}

function readEvents(stream: Readable, watcher: ReturnType<typeof spawn>): Events {
  const started = Promise.withResolvers<number>()
  const exited = Promise.withResolvers<ChildExit>()
  let exit: ChildExit | undefined
  createInterface({ input: stream }).on('line', (line) => {
    const event = JSON.parse(line) as { pid?: number; error?: string } & ChildExit
    if (event.pid !== undefined) started.resolve(event.pid)
    else if (event.error !== undefined) fail(event.error)
    else exit = { code: event.code, signal: event.signal }
  })
  const fail = (reason: string) => {
    started.reject(new Error(reason))
    exited.resolve({ code: null, signal: null, reason })
  }
  watcher.on('error', (error) => fail(error.message))
  // Lines still in the pipe come before the end of the stream, so wait for both.
  void Promise.all([once(watcher, 'exit'), once(stream, 'close')]).then(
    () => (exit ? exited.resolve(exit) : fail('its watcher ended')),
    (error: Error) => fail(error.message),
  )
  return { started: started.promise, exited: exited.promise }
}
