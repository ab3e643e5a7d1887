/** What benchmarks of processes share: helper programs, CPU time and memory, the circumstances. */
import { type ChildProcess, execFileSync, spawn } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { cpus, totalmem } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'

const repository = fileURLToPath(new URL('..', import.meta.url))

/** A program of the bench folder as a process of its own; resolves with its first line of JSON. */
export async function startProgram<Ready>(
  file: string,
  args: readonly string[] = [],
): Promise<{ ready: Ready; pid: number; stop(): Promise<void> }> {
  const path = join(repository, 'bench', file)
  const child = spawn(process.execPath, [path, ...args], { stdio: ['ignore', 'pipe', 'inherit'] })
  const ready = (await firstLine(child)) as Ready
  return { ready, pid: child.pid ?? 0, stop: () => stopChild(child) }
}

/** What a program says first, a line of JSON. @throws Error where it ends before that */
export async function firstLine(child: ChildProcess): Promise<unknown> {
  if (!child.stdout) throw new Error('the program has no output')
  const lines = createInterface({ input: child.stdout })
  return new Promise((resolve, reject) => {
    lines.once('line', (line) => resolve(JSON.parse(line)))
    child.once('exit', (code) => reject(new Error(`the program ended with ${code} before it ran`)))
  })
}

const KILL_AFTER_MS = 40_000

async function stopChild(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return
  const exited = new Promise((resolve) => child.once('exit', resolve))
  child.kill('SIGTERM')
  const killer = setTimeout(() => child.kill('SIGKILL'), KILL_AFTER_MS)
  await exited
  clearTimeout(killer)
}

const TICKS_PER_S = Number(execFileSync('getconf', ['CLK_TCK'], { encoding: 'utf8' }))

/** User and system time that a process has used so far, microseconds. */
export function cpuUs(pid: number): number {
  const stat = readFileSync(`/proc/${pid}/stat`, 'utf8')
  // Fields 14 and 15; the name in field 2 may contain spaces.
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
  return ((Number(fields[11]) + Number(fields[12])) * 1e6) / TICKS_PER_S
}

/** Resident memory of a process, bytes. */
export function residentBytes(pid: number): number {
  const status = readFileSync(`/proc/${pid}/status`, 'utf8')
  return Number(/VmRSS:\s+(\d+) kB/.exec(status)?.[1] ?? 0) * 1024
}

/** The machine, the code and the program that a figure was measured with. */
export function circumstances(): Record<string, unknown> {
  const [cpu] = cpus()
  const git = (...args: string[]) =>
    execFileSync('git', ['-C', repository, ...args], { encoding: 'utf8' }).trim()
  const commit = git('rev-parse', '--short', 'HEAD')
  const isChanged = git('status', '--porcelain', '--untracked-files=no') !== ''
  return {
    machine: {
      cpu: cpu?.model.trim(),
      cores: cpus().length,
      memoryGib: Math.round(totalmem() / 1024 ** 3),
      node: process.version,
    },
    commit: isChanged ? `${commit}+changes` : commit,
  }
}
