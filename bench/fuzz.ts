/**
 * Chaos `fuzz`: hostile requests at every door of the real program, and a hostile engine behind it.
 * Nothing may crash, hang, fail in a way of its own, or reach anybody but who asked; and memory
 * must not grow.
 */
import { Agent } from 'node:http'
import { seededRandom } from '../src/base/index.ts'
import { waitForQuiet } from './chaos-mixed.ts'
import { BODY_BYTES_MAX, FuzzBodies } from './fuzz-bodies.ts'
import { fuzzOnce } from './fuzz-client.ts'
import { ANSWER_BYTES_MAX, MODEL, startFuzzEngine } from './fuzz-engine.ts'
import { residentBytes } from './harness.ts'
import { Inspector, inspectorUrlIn } from './overhead-memory.ts'
import { createTenant, type Server, startServer } from './server.ts'

export interface FuzzOptions {
  seed?: number
  /** Requests in all. */
  count?: number
  log?: (line: string) => void
}

export interface FuzzResult {
  seed: number
  requests: number
  seconds: number
  /** Requests by what was done to them, answers by status, the engine's by what it did. */
  kinds: Record<string, number>
  statuses: Record<string, number>
  engine: Record<string, number>
  /** What was wrong, with how often and the first request that showed it. */
  problems: Record<string, { count: number; first: string }>
  /** True where the same process lived through all of it. */
  survived: boolean
  leakedSlots: number
  openIntents: number
  doubleSettled: number
  /** What the program logged of what was asked or answered: nothing may be. */
  logged: { lines: number; first: string[] }
  residentMib: number[]
  heapMib: number[]
  residentLastOverFirst: number
  heapLastOverFirst: number
}

const CALLERS = 48
const TENTHS = 10
const MIB = 1024 ** 2
const LOGGED_SHOWN = 5
const TENANTS = ['a', 'b', 'c']

/** Limits that are lowered, so that what crosses them is cheap to send. */
const environment = {
  GRISTMILL_BODY_BYTES_MAX: String(BODY_BYTES_MAX),
  GRISTMILL_ANSWER_BYTES_MAX: String(ANSWER_BYTES_MAX),
  GRISTMILL_ENGINE_FIRST_BYTE_MS_MAX: '3000',
  GRISTMILL_ENGINE_IDLE_MS_MAX: '3000',
  // Any port, so that runs side by side can each look at their own.
  NODE_OPTIONS: '--inspect-port=0',
}

interface Run {
  server: Server
  keys: string[]
  bodies: FuzzBodies
  agent: Agent
  counts: Pick<FuzzResult, 'kinds' | 'statuses' | 'problems'>
}

export async function fuzz(options: FuzzOptions = {}): Promise<FuzzResult> {
  const { seed = 1, count = 100_000, log = () => undefined } = options
  const startMs = performance.now()
  const engine = await startFuzzEngine(seededRandom(seed + 1))
  let said = ''
  const logged: string[] = []
  const server = await startServer({
    engine: 'none',
    environment,
    log: (line) => {
      said = `${said}${line}\n`.slice(-4000)
      logged.push(...line.split('\n').filter((one) => /mark-\w+-[0-9a-f]{16}/.test(one)))
    },
  })
  const agent = new Agent({ keepAlive: true, maxSockets: CALLERS })
  try {
    await server.admin.post('/api/engines', { url: engine.url, name: MODEL })
    const keys = await Promise.all(TENANTS.map(async (name) => keyOf(server, name)))
    const bodies = new FuzzBodies(seededRandom(seed), MODEL)
    const counts = { kinds: {}, statuses: {}, problems: {} }
    const run: Run = { server, keys, bodies, agent, counts }
    const memory = await overTenths(run, count, () => inspectorUrlIn(said), log)
    const survived = isAlive(server.pid)
    const quiet = await waitForQuiet(server)
    return {
      seed,
      requests: count,
      seconds: Math.round((performance.now() - startMs) / 1000),
      ...counts,
      engine: Object.fromEntries(engine.answered),
      survived,
      ...quiet,
      logged: { lines: logged.length, first: logged.slice(0, LOGGED_SHOWN) },
      ...memory,
    }
  } finally {
    agent.destroy()
    await server.stop()
    engine.close()
  }
}

/** A key that may name end users, so that what it says of them is believed. */
async function keyOf(server: Server, name: string): Promise<string> {
  const { id } = await createTenant(server, name)
  const scopes = ['inference', 'end_users']
  const { key } = await server.admin.post<{ key: string }>('/api/keys', { tenantId: id, scopes })
  return key
}

/** Runs all of it, and looks at memory after each tenth. */
async function overTenths(
  run: Run,
  count: number,
  inspectorUrl: () => string | undefined,
  log: (line: string) => void,
) {
  const inspector = await Inspector.open(run.server.pid, inspectorUrl)
  const residentMib: number[] = []
  const heapMib: number[] = []
  for (let tenth = 1; tenth <= TENTHS; tenth++) {
    await callAll(run, Math.floor(count / TENTHS))
    heapMib.push(round((await inspector.heapBytes()) / MIB))
    residentMib.push(round(residentBytes(run.server.pid) / MIB))
    const found = Object.keys(run.counts.problems).length
    log(`fuzz: ${tenth}/${TENTHS}, ${residentMib.at(-1)} MiB, ${found} problems`)
  }
  inspector.close()
  return {
    residentMib,
    heapMib,
    residentLastOverFirst: ratio(residentMib),
    heapLastOverFirst: ratio(heapMib),
  }
}

const round = (value: number) => Math.round(value * 10) / 10
const ratio = (samples: number[]) =>
  Math.round(100 * ((samples.at(-1) ?? 0) / (samples[0] ?? 1))) / 100

async function callAll({ server, keys, bodies, agent, counts }: Run, count: number): Promise<void> {
  let left = count
  const caller = async () => {
    while (left-- > 0) {
      const tenant = bodies.whole(0, keys.length - 1)
      const asked = bodies.next(TENANTS[tenant] ?? '')
      const { status, problem, end } = await fuzzOnce(server.url, keys[tenant] ?? '', asked, agent)
      add(counts.kinds, asked.kind)
      add(counts.statuses, String(status ?? 'left'))
      if (problem === null) continue
      const body = asked.body.toString().slice(0, 2000)
      const first = `${asked.method} ${asked.path} ${body} … ${end}`
      const known = counts.problems[problem] ?? { count: 0, first }
      counts.problems[problem] = { ...known, count: known.count + 1 }
    }
  }
  await Promise.all(Array.from({ length: CALLERS }, caller))
}

function add(counts: Record<string, number>, name: string): void {
  counts[name] = (counts[name] ?? 0) + 1
}

function isAlive(pid: number): boolean {
  try {
    return process.kill(pid, 0)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ESRCH') return false
    throw error
  }
}
