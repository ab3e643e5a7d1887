/**
 * The watcher: runs one command and outlives nobody. It holds the parent's pipe on stdin; when
 * that closes, the command is stopped by the given signals and the watcher ends after it.
 *
 * Plain JavaScript on purpose: without type stripping it starts in 20 ms instead of 70 and takes
 * 18 MB less. It imports nothing but Node's own modules.
 *
 * Argument: a JSON object, see `WatcherOrder` in child.ts. On file descriptor 3 it writes one
 * JSON object a line: `{pid}` once started, then `{code, signal}` or `{error}`. On stdin it reads
 * one word a line: `stop` starts the stop sequence, `kill` ends the command at once.
 */
import { spawn } from 'node:child_process'
import {
  closeSync,
  fstatSync,
  openSync,
  renameSync,
  rmSync,
  writeFileSync,
  writeSync,
} from 'node:fs'
import { createInterface } from 'node:readline'

const order = JSON.parse(process.argv[2])
const log = order.log && openLog(order.log)

const child = spawn(order.command, order.args, {
  cwd: order.cwd,
  uid: order.uid,
  gid: order.gid,
  stdio: ['ignore', 'inherit', log ? 'pipe' : 'inherit'],
})

child.on('error', (error) => finish({ error: error.message }))
child.on('exit', (code, signal) => finish({ code, signal }))
child.on('spawn', () => {
  if (order.pidFile) {
    const pids = { watcherPid: process.pid, childPid: child.pid }
    const { name, command, args, orphanStop } = order
    const record = { name, command, args, stop: orphanStop, ...pids }
    writeFileSync(order.pidFile, JSON.stringify(record), { mode: 0o600 })
  }
  report({ pid: child.pid })
})
child.stderr?.on('data', (chunk) => log.write(chunk))

// Signals to the terminal's group do not reach us (own session); the parent decides.
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'])
  process.on(signal, () => stop(order.orphanStop))

let stopping = false
createInterface({ input: process.stdin })
  .on('line', (line) => {
    if (line === 'stop') stop(order.stop)
    if (line === 'kill') child.kill('SIGKILL')
  })
  .on('close', () => stop(order.orphanStop))

/** Sends each signal in turn, waiting its time for the command to end. */
function stop(steps) {
  if (stopping) return
  stopping = true
  let afterMs = 0
  for (const { signal, waitMs } of steps) {
    setTimeout(() => child.kill(signal), afterMs)
    afterMs += waitMs
  }
  setTimeout(() => child.kill('SIGKILL'), afterMs)
}

function finish(event) {
  report(event)
  if (order.pidFile) rmSync(order.pidFile, { force: true })
  // What the command wrote last is still in the pipe.
  const leave = () => process.exit(0)
  if (!child.stderr || child.stderr.readableEnded) leave()
  child.stderr?.on('end', leave)
  setTimeout(leave, 500)
}

/** The parent may be gone; then there is nobody to tell. */
function report(event) {
  try {
    writeSync(3, `${JSON.stringify(event)}\n`)
  } catch (error) {
    if (error.code !== 'EPIPE') log?.write(`watcher: ${error.message}\n`)
  }
}

/** An append-only file that is moved to `.1` when it would pass its bound. */
function openLog({ path, maxBytes }) {
  let file = openSync(path, 'a', 0o600)
  let bytes = fstatSync(file).size
  const write = (text) => {
    const chunk = Buffer.from(text).subarray(-maxBytes)
    if (bytes + chunk.length > maxBytes) {
      closeSync(file)
      renameSync(path, `${path}.1`)
      file = openSync(path, 'a', 0o600)
      bytes = 0
    }
    try {
      bytes += writeSync(file, chunk)
    } catch (error) {
      // A full disk must cost log lines, not the process that is being watched.
      if (error.code !== 'ENOSPC' && error.code !== 'EIO') throw error
    }
  }
  return { write }
}
