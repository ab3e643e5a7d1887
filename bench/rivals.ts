/**
 * `bench rivals`: a light tenant alone, beside a flood of its own standing, and beside batch work,
 * on engines by themselves, behind the gateways of others, and behind ours.
 */
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { seededRandom } from '../src/base/index.ts'
import {
  ask,
  closedLoop,
  type Load,
  newCall,
  newDispatcher,
  openLoop,
  sleep,
  type Target,
} from './chat-load.ts'
import { guideLlm } from './rival-guidellm.ts'
import { versionsIn } from './rival-programs.ts'
import { type Serving, type System, systems } from './rival-systems.ts'
import {
  type Arm,
  type ArmFigures,
  failuresOf,
  figuresOf,
  type Row,
  rivalsAhead,
  tableOf,
} from './rivals-figures.ts'

export interface RivalsOptions {
  /** Where the others are installed; `docs/benchmarks.md` says how. */
  dir: string
  /** Names of systems, with commas; all where absent. */
  only?: string | undefined
  /** A file that keeps rows: those of earlier runs stand in the same table. */
  samples?: string | undefined
  /** Length of an arm. */
  seconds?: number
  seed?: number
  /** Repeats `alone` and `flood` with GuideLLM in the light tenant's place. */
  guideLlm?: boolean
  log?: (line: string) => void
}

export interface RivalsResult {
  rows: Row[]
  /** Every figure in which a rival is better. */
  rivalsAhead: string[]
  table: string
  versions: Record<string, string>
  seconds: number
  seed: number
}

const LIGHT_EVERY_MS = 500
const LIGHT_TOKENS = 8
const FLOOD_IN_FLIGHT = 64
const FLOOD_TOKENS = 64
/** The neighbour fills engine and queue before anything is measured beside it. */
const FILL_MS = 5000
const WARM_UP_MS = 3000
/** The last request of the light tenant has as long as it takes where all is well. */
const LAST_MS = 450

/** Runs the systems one after the other; about two minutes each. */
export async function benchRivals(options: RivalsOptions): Promise<RivalsResult> {
  const { dir, only, samples, seconds = 16, seed = 1 } = options
  const { guideLlm: isGuided = false, log = () => undefined } = options
  const wanted = only === undefined ? systems : only.split(',').map(systemNamed)
  const rows = samples !== undefined && existsSync(samples) ? readRows(samples) : []
  for (const system of wanted) {
    log(`${system.title}: starting`)
    const row = await measure(system, { dir, ms: seconds * 1000, seed, log, isGuided })
    const known = rows.findIndex(({ name }) => name === row.name)
    rows.splice(known < 0 ? rows.length : known, known < 0 ? 0 : 1, row)
    if (samples !== undefined) writeFileSync(samples, JSON.stringify(rows))
  }
  const table = tableOf(inOrder(rows))
  const ahead = rivalsAhead(rows)
  log(`\n${table}\n\nWhere a rival is better:\n${ahead.join('\n')}`)
  return { rows, rivalsAhead: ahead, table, versions: versionsIn(dir), seconds, seed }
}

function systemNamed(name: string): System {
  const system = systems.find((one) => one.name === name)
  if (system) return system
  throw new Error(`--only ${name}: the systems are ${systems.map((one) => one.name).join(', ')}`)
}

const readRows = (file: string) => JSON.parse(readFileSync(file, 'utf8')) as Row[]
const inOrder = (rows: readonly Row[]) =>
  systems.flatMap(({ name }) => rows.filter((row) => row.name === name))

interface How {
  dir: string
  isGuided: boolean
  ms: number
  seed: number
  log: (line: string) => void
}

async function measure(system: System, how: How): Promise<Row> {
  const serving = await system.start(how.dir, how.log)
  try {
    const { light, flood, batch } = serving
    await playArm(light, null, { ...how, ms: WARM_UP_MS })
    const alone = await measured('alone', serving, null, how)
    const besideBatch = batch && (await measured('batch', serving, batch, how))
    // Last, because some engines still work for it when it has gone.
    const besideFlood = await measured('flood', serving, flood, how)
    const guided = how.isGuided ? { guideLlm: await secondOpinion(serving, how) } : {}
    const { name, title, engine, isOurs } = system
    const arms = { alone, flood: besideFlood, batch: besideBatch }
    return { name, title, engine, isOurs, arms, ...guided }
  } finally {
    await serving.stop()
  }
}

async function measured(
  arm: string,
  { light }: Serving,
  neighbour: Target | null,
  how: How,
): Promise<ArmFigures> {
  const calls = await playArm(light, neighbour, how)
  const figures = figuresOf(calls)
  how.log([`${arm}: ${JSON.stringify(figures)}`, ...failuresOf(calls)].join('\n'))
  await settle(light)
  return figures
}

/** Runs traffic for `ms`; the neighbour, if there is one, begins earlier. */
async function playArm(light: Target, neighbour: Target | null, { ms, seed }: How): Promise<Arm> {
  const stop = new AbortController()
  const loads: Load[] = []
  if (neighbour) {
    const random = seededRandom(seed + 1_000_000)
    loads.push(closedLoop(neighbour, FLOOD_IN_FLIGHT, FLOOD_TOKENS, random, stop.signal))
    await sleep(FILL_MS)
  }
  const fromMs = performance.now()
  const own = openLoop(light, LIGHT_EVERY_MS, LIGHT_TOKENS, seededRandom(seed), stop.signal)
  await sleep(ms + LAST_MS)
  const untilMs = performance.now()
  stop.abort()
  await Promise.all([own, ...loads].map(({ stopped }) => stopped))
  return { light: own.calls, neighbour: loads[0]?.calls ?? [], fromMs, untilMs }
}

/** The flood begins with GuideLLM, which takes longer to start than filling an engine takes. */
async function secondOpinion({ light, flood }: Serving, { dir, ms, seed, log }: How) {
  const alone = await guideLlm(dir, light, ms / 1000)
  const stop = new AbortController()
  const random = seededRandom(seed + 1_000_000)
  const load = closedLoop(flood, FLOOD_IN_FLIGHT, FLOOD_TOKENS, random, stop.signal)
  try {
    const figures = { alone, flood: await guideLlm(dir, light, ms / 1000) }
    log(`by GuideLLM: ${JSON.stringify(figures)}`)
    return figures
  } finally {
    stop.abort()
    await load.stopped
  }
}

const SETTLE_MS_MAX = 60_000

/** Waits until what was cut off has left the engine: until a request is answered. */
async function settle(light: Target): Promise<void> {
  const dispatcher = newDispatcher()
  const limit = AbortSignal.timeout(SETTLE_MS_MAX)
  await ask(light, { content: 'Hello', maxTokens: 1 }, newCall(), dispatcher, limit)
  await dispatcher.destroy()
  await sleep(1000)
}
