/**
 * `bench soak`: an hour of mixed work on one server. What must not grow is looked at every few
 * seconds: resident memory, file handles and connections of the database. Their slope over the last
 * two thirds is of least squares through the minutes, its interval widened for minutes that follow
 * each other (Santer et al., J. Geophys. Res. 105, 2000, §4: effective sample size).
 */
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { createLogger, seededRandom, systemClock } from '../src/base/index.ts'
import { openDatabase } from '../src/store/index.ts'
import { sleep } from './chat-load.ts'
import { residentBytes } from './harness.ts'
import { median } from './quantiles.ts'
import { createTenant, type Server, startServer } from './server.ts'
import { type SoakCounts, SoakLoad } from './soak-load.ts'
import { type Slope, slopeOf } from './soak-slope.ts'

export interface SoakOptions {
  minutes?: number
  model?: string | undefined
  seed?: number
  log?: (line: string) => void
}

export interface SoakResult extends SoakCounts {
  minutes: number
  /** Of the gateway's process; slopes in parts of the mean per hour. */
  resident: Slope
  handles: Slope
  /** Of the database, those of the bench left out. */
  connections: Slope
  /** The engine's process, which is watched beside. */
  engineResident: Slope
  /** Whether none of the first three grows by more than 2 % an hour, or perhaps not at all. */
  holds: boolean
  seed: number
}

interface Sample {
  resident: number
  handles: number
  connections: number
  engineResident: number
}

const LOOK_MS = 5000
const LEFT_OUT = 1 / 3
const GROWTH_MAX = 0.02

export async function benchSoak(options: SoakOptions = {}): Promise<SoakResult> {
  const { minutes = 60, model = 'toy', seed = 1, log = () => undefined } = options
  await using stack = new AsyncDisposableStack()
  const server = await startServer({ model, log })
  stack.defer(server.stop)
  if (server.model === null) throw new Error('the server has no model')
  const tenants = [await createTenant(server, 'one'), await createTenant(server, 'two', 2)]
  await price(server, server.model, tenants[0]?.id ?? '')
  const connections = await watchConnections(server, stack)
  const ending = new AbortController()
  const load = new SoakLoad(server, server.model, tenants, seededRandom(seed))
  const working = load.run(ending.signal)
  const engine = childOf(server.pid, '/llama/')
  const perMinute: Sample[] = []
  for (let minute = 0; minute < minutes; minute++) {
    const seen: Sample[] = []
    const endMs = performance.now() + 60_000
    while (performance.now() < endMs) {
      seen.push({
        resident: residentBytes(server.pid),
        handles: readdirSync(`/proc/${server.pid}/fd`).length,
        connections: await connections(),
        engineResident: residentBytes(engine),
      })
      await sleep(LOOK_MS)
    }
    perMinute.push(middle(seen))
    const { resident, handles } = perMinute.at(-1) as Sample
    const { calls, failed } = load.counts
    const mib = (resident / 2 ** 20).toFixed(0)
    log(`minute ${minute + 1}: ${mib} MiB, ${handles} handles, ${calls} calls, ${failed} failed`)
  }
  ending.abort()
  await working
  const late = perMinute.slice(Math.round(LEFT_OUT * minutes))
  const slope = (name: keyof Sample) => slopeOf(late.map((sample) => sample[name]))
  const [resident, handles] = [slope('resident'), slope('handles')]
  const own = { resident, handles, connections: slope('connections') }
  return {
    minutes,
    ...own,
    engineResident: slope('engineResident'),
    holds: Object.values(own).every(({ perHour, low }) => perHour <= GROWTH_MAX || low <= 0),
    ...load.counts,
    seed,
  }
}

/** So that charging and budgets are at work as well. */
async function price({ admin }: Server, model: string, tenantId: string): Promise<void> {
  await admin.post('/api/prices', { prices: [{ model, input: '1', output: '2' }] })
  const budget = { tenantId, name: 'month', unit: 'money', period: 'month', limit: '1000000' }
  await admin.post('/api/budgets', budget)
}

/** Counts the connections of everybody else at the server's database. */
async function watchConnections(
  { home }: Server,
  stack: AsyncDisposableStack,
): Promise<() => Promise<number>> {
  const text = readFileSync(join(home, 'server.json'), 'utf8')
  const { databaseUrl: url } = JSON.parse(text) as { databaseUrl: string }
  const logger = createLogger('silent', 'soak')
  const database = await openDatabase({ url, clock: systemClock, logger, connections: 1 })
  stack.defer(() => database.close())
  return async () => {
    const [row] = await database.sql<{ count: number }[]>`
      select count(*)::int as count from pg_stat_activity where backend_type = 'client backend'`
    return (row?.count ?? 0) - OWN_CONNECTIONS
  }
}

/** The pool of one and the session for notifications. */
const OWN_CONNECTIONS = 2

function middle(seen: readonly Sample[]): Sample {
  const of = (name: keyof Sample) => median(seen.map((sample) => sample[name]))
  return {
    resident: of('resident'),
    handles: of('handles'),
    connections: of('connections'),
    engineResident: of('engineResident'),
  }
}

/** The process below another whose command line has the text. */
function childOf(pid: number, text: string): number {
  const children = readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').split(' ')
  for (const child of children.map(Number).filter(Boolean)) {
    const found = childOf(child, text)
    if (found > 0) return found
    if (readFileSync(`/proc/${child}/cmdline`, 'utf8').includes(text)) return child
  }
  return 0
}
