/** Counters on their way to gateways that may schedule next, and what those remember of them. */
import { type CounterRow, countersOf, type Scheduler } from '../pool/index.ts'
import type { CountersNews } from './messages.ts'

const nameOf = ({ pool, band, path }: CounterRow) => `${pool}\n${band}\n${path.join('\n')}`

/** What has changed since it was told last. */
export class CounterFeed {
  readonly #scheduler: Pick<Scheduler, 'pools'>
  #told = new Map<string, string>()

  constructor(scheduler: Pick<Scheduler, 'pools'>) {
    this.#scheduler = scheduler
  }

  all(): CounterRow[] {
    return countersOf(this.#scheduler)
  }

  /** To be told to everybody who has been told all before. */
  changed(): { rows: CounterRow[]; gone: string[] } {
    const told = new Map<string, string>()
    const rows = this.all().filter((row) => {
      const name = nameOf(row)
      const state = `${row.counter} ${row.weight} ${row.isLast}`
      told.set(name, state)
      return this.#told.get(name) !== state
    })
    const gone = [...this.#told.keys()].filter((name) => !told.has(name))
    this.#told = told
    return { rows, gone }
  }
}

/** The counters as the holder told them last. */
export class RememberedCounters {
  #rows = new Map<string, CounterRow>()
  buckets: CountersNews['buckets'] = []
  running: CountersNews['running'] = {}

  /** In the order in which they were told, those above before those below. */
  get rows(): CounterRow[] {
    return [...this.#rows.values()]
  }

  note({ isWhole, rows, gone = [], buckets, running }: CountersNews): void {
    if (isWhole) this.#rows = new Map()
    for (const name of gone) this.#rows.delete(name)
    for (const row of rows) this.#rows.set(nameOf(row), row)
    this.buckets = buckets
    this.running = running
  }
}
