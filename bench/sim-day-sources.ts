/** Days of traffic for simulations: public traces where a folder has them, else generated ones. */
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { type Random, seededRandom } from '../src/base/index.ts'
import {
  generateFromRates,
  generateTrace,
  importTrace,
  parseClientLengths,
  parseRates,
  publicStatistics,
  repeatOverDay,
  splitTenants,
  type TraceRow,
} from '../src/pool/index.ts'

export interface DaySource {
  name: string
  /** Where it comes from and what was made of it, in a sentence. */
  source: string
  rows: TraceRow[]
}

const TENANTS = 8
const RATE_WINDOW_MS = 600_000
const RATE_MODEL = 'mm-image'
const RATES_FILE = `servegen_${RATE_MODEL}_rates.csv`
const CLIENTS_FILE = 'servegen_clients.csv'
const FILES = [
  'azure_conv_2023.csv',
  'azure_code_2023.csv',
  'mooncake_synthetic.jsonl',
  'vtc_arena_multiclient.csv',
]

/**
 * One source after another, so that only one day is in memory.
 * @param folder of public traces; generated ones where undefined
 * @param only part of the names of those wanted
 */
export function* daySources(
  folder: string | undefined,
  seed: number,
  only = '',
): Generator<DaySource> {
  if (folder === undefined) {
    for (const statistics of publicStatistics.filter(({ name }) => name.includes(only))) {
      const random = seededRandom(seed)
      const rows = dayOf(generateTrace(statistics, random), random)
      yield { name: statistics.name, source: 'built-in generator, not a trace', rows }
    }
    return
  }
  for (const file of FILES.filter(
    (name) => name.includes(only) && existsSync(join(folder, name)),
  )) {
    const random = seededRandom(seed)
    const trace = importTrace(readFileSync(join(folder, file), 'utf8'))
    const hasTenants = trace[0]?.tenant !== ''
    const source = `${file}, repeated under a daily curve of 4 : 1${
      hasTenants ? '' : `, split over ${TENANTS} tenants by seed`
    }`
    yield { name: file.replace(/\.\w+$/, ''), source, rows: dayOf(trace, random) }
  }
  const isWanted = RATES_FILE.includes(only)
  if (isWanted && existsSync(join(folder, RATES_FILE)) && existsSync(join(folder, CLIENTS_FILE))) {
    const windows = parseRates(readFileSync(join(folder, RATES_FILE), 'utf8'))
    const clients = readFileSync(join(folder, CLIENTS_FILE), 'utf8')
    const lengths = parseClientLengths(clients, RATE_MODEL)
    const rows = generateFromRates(windows, lengths, RATE_WINDOW_MS, seededRandom(seed))
    const source = `${RATES_FILE}, arrivals drawn from its rates, lengths from ${CLIENTS_FILE}`
    yield { name: `servegen_${RATE_MODEL}`, source, rows }
  }
}

function dayOf(trace: TraceRow[], random: Random): TraceRow[] {
  const hasTenants = trace[0]?.tenant !== ''
  return repeatOverDay(hasTenants ? trace : splitTenants(trace, TENANTS, random), random)
}
