/**
 * `gristmill doctor`: looks at machine, home, port, database, model and engine; says what to fix.
 */
import { existsSync, statfsSync } from 'node:fs'
import { createServer } from 'node:net'
import { dirname } from 'node:path'
import type { Command } from 'commander'
import { type Clock, type Config, toGristmillError } from '../base/index.ts'
import { describeMachine, isRunning } from '../host/index.ts'
import type { EngineView } from '../http/index.ts'
import { AdminClient, readServerFile, ServerError } from './client.ts'
import {
  type CliContext,
  configWith,
  ExitWith,
  example,
  type RemoteFlags,
  remote,
} from './context.ts'
import { openStore } from './models.ts'
import type { Style } from './terminal.ts'
import { bytes, figure } from './units.ts'

export interface Finding {
  what: string
  state: 'ok' | 'warn' | 'fail'
  /** What was found, a sentence. */
  found: string
  /** What to do about it; absent where all is well. */
  fix?: string
}

const SEE_LOG = 'Look at what it wrote where it was started, or start it again.'
/** A server that takes longer is stopped, or hangs. */
const ANSWER_MS_MAX = 10_000
const GIB = 2 ** 30
const MEMORY_BYTES_MIN = 2 * GIB
const DISK_BYTES_MIN = 0.5 * GIB
const DISK_BYTES_GOOD = 2 * GIB
const STYLES: Record<Finding['state'], Style> = { ok: 'green', warn: 'yellow', fail: 'red' }

/** Adds `doctor` to the program. */
export function doctorCommand(program: Command, context: CliContext): void {
  example(remote(program.command('doctor')), 'doctor')
    .description('check this machine and the server on it, and say what to fix')
    .action(async (flags: RemoteFlags) => {
      const findings = await examine(context, flags)
      if (flags.json) context.terminal.print(JSON.stringify(findings))
      else for (const finding of findings) tell(context, finding)
      if (findings.some(({ state }) => state === 'fail')) throw new ExitWith(1)
    })
}

function tell({ terminal }: CliContext, { what, state, found, fix }: Finding): void {
  const mark = terminal.paint(STYLES[state], state.padEnd(4))
  terminal.print(`${mark}  ${what.padEnd(9)} ${found}`)
  if (fix !== undefined) terminal.print(`      ${''.padEnd(9)} → ${fix}`)
}

/** Looks at everything, in the order in which a start needs it. */
export async function examine(context: CliContext, flags: RemoteFlags): Promise<Finding[]> {
  const machine = examineMachine()
  let config: Config
  try {
    config = configWith(context, {
      GRISTMILL_HOME: flags.home,
      GRISTMILL_URL: flags.url,
      GRISTMILL_API_KEY: flags.apiKey,
    })
  } catch (thrown) {
    const { message, fix } = toGristmillError(thrown)
    return [...machine, { what: 'config', state: 'fail', found: message, fix }]
  }
  const server = await examineServer(config, context.clock)
  const isServing = server.client !== undefined
  return [
    ...machine,
    examineHome(config),
    examineModel(context, flags),
    ...(isServing || config.clientUrl !== undefined ? [] : [await examinePort(config)]),
    server.finding,
    ...(await examineRunning(server.client)),
  ]
}

function examineMachine(): Finding[] {
  const { platform, arch, cores, cpuModel, memoryBytes, nodeVersion } = describeMachine()
  const found = `${platform} ${arch}, ${cores} cores (${cpuModel}), ${bytes(memoryBytes)} memory.`
  const node: Finding = { what: 'node', state: 'ok', found: `Node.js ${nodeVersion}.` }
  if (memoryBytes >= MEMORY_BYTES_MIN) return [{ what: 'machine', state: 'ok', found }, node]
  const fix = 'The default model and the database need 2 GB; add memory or use --engine none.'
  return [{ what: 'machine', state: 'warn', found, fix }, node]
}

function examineHome({ home }: Config): Finding {
  const disk = bytesFreeFor(home)
  const found = `${home}, ${existsSync(home) ? 'in use' : 'not made yet'}, ${bytes(disk)} free.`
  if (disk < DISK_BYTES_MIN) {
    const fix = 'Free some space, or set GRISTMILL_HOME to a folder on another disk.'
    return { what: 'home', state: 'fail', found, fix }
  }
  if (disk < DISK_BYTES_GOOD) {
    return {
      what: 'home',
      state: 'warn',
      found,
      fix: 'Free some space before the ledger needs it.',
    }
  }
  return { what: 'home', state: 'ok', found }
}

/** Of the disk under the nearest folder that exists. */
function bytesFreeFor(path: string): number {
  let folder = path
  while (!existsSync(folder) && dirname(folder) !== folder) folder = dirname(folder)
  const { bavail, bsize } = statfsSync(folder)
  return bavail * bsize
}

function examineModel(context: CliContext, flags: RemoteFlags): Finding {
  const what = 'model'
  try {
    const model = openStore(context, flags.home).defaultModel()
    if (model) return { what, state: 'ok', found: `${model.name}, ${bytes(model.bytes)}.` }
    const fix = 'The next start fetches it; without network: gristmill model add PATH'
    return { what, state: 'warn', found: 'No model on this machine yet.', fix }
  } catch (thrown) {
    const { message, fix } = toGristmillError(thrown)
    return { what, state: 'fail', found: message, fix }
  }
}

async function examinePort({ host, port }: Config): Promise<Finding> {
  const what = 'port'
  const code = await new Promise<string | undefined>((resolve) => {
    const probe = createServer()
    probe.on('error', (error: NodeJS.ErrnoException) => resolve(error.code ?? error.message))
    probe.listen(port, host, () => probe.close(() => resolve(undefined)))
  })
  if (code === undefined) return { what, state: 'ok', found: `${host}:${port} is free.` }
  const found =
    code === 'EADDRINUSE'
      ? `${host}:${port} is in use by another program.`
      : `${host}:${port} cannot be listened on (${code}).`
  return { what, state: 'fail', found, fix: 'Choose another with --port or GRISTMILL_PORT.' }
}

async function examineServer(
  config: Config,
  clock: Clock,
): Promise<{ finding: Finding; client: AdminClient | undefined }> {
  const what = 'server'
  const local = readServerFile(config.home)
  const isStale = local !== undefined && !isRunning(local.pid, undefined)
  if (config.clientUrl === undefined && (local === undefined || isStale)) {
    const found = isStale
      ? 'It ended without stopping; the next start settles what ran.'
      : 'None runs.'
    return { finding: { what, state: 'warn', found, fix: 'gristmill start' }, client: undefined }
  }
  const client = new AdminClient(config)
  const fix = SEE_LOG
  const abort = new AbortController()
  const late = clock.after(ANSWER_MS_MAX, () => abort.abort(new Error('nothing came')))
  try {
    const response = await fetch(`${client.url}/readyz`, { signal: abort.signal })
    const reasons = reasonsIn(await response.text())
    if (reasons === undefined) {
      const found = `${client.url} answers, but not as Gristmill does.`
      return {
        finding: { what, state: 'fail', found, fix: 'Check the address.' },
        client: undefined,
      }
    }
    const remarks = reasons.map((reason) => ` ${reason}`).join('')
    if (!response.ok) {
      const found = `${client.url} is not ready.${remarks}`
      return { finding: { what, state: 'fail', found, fix }, client: undefined }
    }
    const found = `${client.url} is ready.${remarks}`
    return { finding: { what, state: reasons.length > 0 ? 'warn' : 'ok', found }, client }
  } catch (thrown) {
    const { message, cause } = thrown as Error
    const why = (cause as NodeJS.ErrnoException | undefined)?.code ?? message
    const found = `${client.url} does not answer (${why}).`
    return { finding: { what, state: 'fail', found, fix }, client: undefined }
  } finally {
    late.cancel()
  }
}

/** Why a server is not ready, or only in part; undefined where it is none of ours. */
function reasonsIn(text: string): string[] | undefined {
  try {
    const { reasons } = JSON.parse(text) as { reasons?: unknown }
    return Array.isArray(reasons) ? reasons.map(String) : undefined
  } catch (error) {
    if (error instanceof SyntaxError || error instanceof TypeError) return undefined
    throw error
  }
}

/** What only a running server can tell: its database is good, since it answers from it. */
async function examineRunning(client: AdminClient | undefined): Promise<Finding[]> {
  if (client === undefined) return []
  try {
    const engines = await client.all<EngineView>('/api/engines')
    await client.get('/api/tenants', { limit: 1 })
    const database: Finding = { what: 'database', state: 'ok', found: 'It answers.' }
    return [database, ...(engines.length === 0 ? [NO_ENGINE] : engines.map(examineEngine))]
  } catch (thrown) {
    const { message: found } = thrown as Error
    const isRefused = thrown instanceof ServerError && [401, 403].includes(thrown.status)
    if (!isRefused) return [{ what: 'database', state: 'fail', found, fix: SEE_LOG }]
    const fix = 'Check that this user may read the data home, or give --api-key.'
    return [{ what: 'access', state: 'fail', found, fix }]
  }
}

const NO_ENGINE: Finding = {
  what: 'engine',
  state: 'fail',
  found: 'The server has no engine.',
  fix: 'gristmill engine add http://host:8000',
}

function examineEngine({ name, state, stateReason, ...engine }: EngineView): Finding {
  const { capacityUnitsPerS: capacity, models, cap, express } = engine
  const speed = capacity === null ? 'speed not measured yet' : `${figure(capacity)} units/s`
  const found = `${name}: ${state}, ${speed}, ${cap} + ${express} slots. ${stateReason}`.trim()
  if (state === 'down') {
    return { what: 'engine', state: 'fail', found, fix: 'See its log, or remove and add it again.' }
  }
  if (models.some(({ toy }) => toy)) {
    const fix = 'gristmill model add PATH, then start again.'
    return { what: 'engine', state: 'warn', found: `${found} It serves a toy model.`, fix }
  }
  return { what: 'engine', state: state === 'up' ? 'ok' : 'warn', found }
}
