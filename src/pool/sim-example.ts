/** A made-up morning of six teams: something to plan with before there is a trace of one's own. */
import { type ServiceClass, seededRandom } from '../base/index.ts'
import { generateFromRates, HOUR_MS, publicStatistics } from './sim-generate.ts'
import type { TraceRow } from './sim-trace.ts'

interface Team {
  name: string
  /** Requests per second in each quarter of an hour. */
  perS: readonly number[]
  serviceClass: ServiceClass
  /** Index into the statistics of public traces: conversations or code. */
  like: 0 | 1
}

/** Each is busy at another time, as teams are; the last one has work that may wait. */
const TEAMS: readonly Team[] = [
  team('support', 'priority', 0, [1.2, 2.8, 3.2, 1.4, 0.8, 0.6, 0.6, 0.6]),
  team('search', 'standard', 0, [0.6, 0.6, 1, 1.2, 2.4, 3, 1.6, 0.8]),
  team('coding', 'standard', 1, [0.2, 0.4, 0.6, 0.6, 0.4, 0.8, 0.8, 0.6]),
  team('research', 'standard', 0, [0, 0, 0.2, 1.6, 1.8, 0.4, 0.2, 0.2]),
  team('legal', 'standard', 0, [0, 0.2, 0.2, 0.2, 0, 0.2, 0.4, 0.2]),
  team('labels', 'batch', 0, [0.6, 0.6, 0.2, 0.2, 0.2, 0.4, 0.6, 0.6]),
]
const QUARTER_MS = HOUR_MS / 4
/** Of the time between two requests: more uneven than chance alone makes it, which is 1. */
const VARIATION = 2

function team(name: string, serviceClass: ServiceClass, like: 0 | 1, perS: number[]): Team {
  return { name, serviceClass, like, perS }
}

/** Two hours of requests in order of time, with lengths as public traces have them. */
export function exampleTrace(seed = 1): TraceRow[] {
  const random = seededRandom(seed)
  const rows = TEAMS.flatMap(({ name, perS, serviceClass, like }) => {
    const statistics = publicStatistics[like]
    if (statistics === undefined) throw new Error('the public statistics are there')
    const { input, output } = statistics
    const windows = perS.map((rate, quarter) => ({
      startMs: quarter * QUARTER_MS,
      client: name,
      perS: rate,
      variation: VARIATION,
    }))
    const drawn = generateFromRates(windows, [{ client: name, input, output }], QUARTER_MS, random)
    return drawn.map((row) => ({ ...row, tenant: name, serviceClass }))
  })
  return rows.sort((a, b) => a.atMs - b.atMs)
}
