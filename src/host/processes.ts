/** Who is alive on this machine: processes by id and the moment they started. */
import { execFileSync } from 'node:child_process'
import { readFileSync } from 'node:fs'

/**
 * When a process started, as an opaque text that differs for every process that ever had this id.
 * @returns undefined when there is no such process, or only its remains (a zombie)
 */
export function processStart(pid: number): string | undefined {
  return process.platform === 'linux' ? startFromProc(pid) : startFromPs(pid)
}

/** Whether the process that had this id at that start is still running. */
export function isRunning(pid: number, start: string | undefined): boolean {
  const now = processStart(pid)
  return now !== undefined && (start === undefined || now === start)
}

/**
 * Sends a signal; a process that is already gone is no error.
 * @returns false when there was nobody to signal
 */
export function signalProcess(pid: number, signal: NodeJS.Signals): boolean {
  try {
    return process.kill(pid, signal)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ESRCH') return false
    throw error
  }
}

/** The command line of a process, arguments joined by blanks; undefined when it is gone. */
export function commandLine(pid: number): string | undefined {
  if (process.platform !== 'linux') return ps(pid, 'command=')
  return readProc(`/proc/${pid}/cmdline`)?.replaceAll('\0', ' ').trim()
}

/** Fields 3 (state) and 22 (start in ticks since boot) of proc(5); the name before may hold `)`. */
function startFromProc(pid: number): string | undefined {
  const stat = readProc(`/proc/${pid}/stat`)
  if (stat === undefined) return undefined
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
  if (fields[0] === 'Z' || fields[0] === 'X') return undefined
  const boot = readProc('/proc/sys/kernel/random/boot_id')?.trim() ?? ''
  return `${boot}:${fields[19]}`
}

function startFromPs(pid: number): string | undefined {
  return ps(pid, 'lstart=')
}

function readProc(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8')
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code
    if (code === 'ENOENT' || code === 'ESRCH') return undefined
    throw error
  }
}

function ps(pid: number, column: string): string | undefined {
  try {
    const output = execFileSync('ps', ['-p', String(pid), '-o', column], {
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'ignore'],
    })
    return output.trim() || undefined
  } catch (error) {
    // `ps` answers with status 1 when the process does not exist.
    if ((error as { status?: number }).status === 1) return undefined
    throw error
  }
}
