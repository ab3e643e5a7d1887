/**
 * Metrics for what happens with every request. The library looks its labels up by a string made of
 * their names and values each time, which costs more than the work that is counted; here a label
 * has few values, and what a scrape shows is put together when it comes.
 */
import { Counter, type Metric, type Registry } from 'prom-client'

export interface HotMetricOptions {
  name: string
  help: string
  registers: readonly Registry[]
}

/** A counter with two labels. */
export class HotCounter {
  readonly #counts = new Map<string, Map<string, number>>()

  constructor(options: HotMetricOptions & { labelNames: readonly [string, string] }) {
    const { name, help, labelNames, registers } = options
    const [first, second] = labelNames
    const counts = this.#counts
    new Counter({
      name,
      help,
      labelNames: [first, second],
      registers: [...registers],
      collect() {
        this.reset()
        for (const [a, row] of counts) {
          for (const [b, count] of row) this.inc({ [first]: a, [second]: b }, count)
        }
      },
    })
  }

  /** Counts events with these two label values, of which there must be few. */
  inc(first: string, second: string, by = 1): void {
    let row = this.#counts.get(first)
    if (row === undefined) {
      row = new Map()
      this.#counts.set(first, row)
    }
    row.set(second, (row.get(second) ?? 0) + by)
  }
}

/** What was observed under the same labels; for who observes often, and keeps it. */
export class HotRow {
  readonly labels: Readonly<Record<string, string>>
  readonly #bounds: readonly number[]
  /** How many values fell between one bound and the next; the last is above all bounds. */
  readonly #counts: number[]
  #sum = 0

  constructor(labels: Readonly<Record<string, string>>, bounds: readonly number[]) {
    this.labels = labels
    this.#bounds = bounds
    this.#counts = new Array<number>(bounds.length + 1).fill(0)
  }

  observe(value: number): void {
    const bounds = this.#bounds
    let at = 0
    while (at < bounds.length && value > (bounds[at] as number)) at++
    this.#counts[at] = (this.#counts[at] as number) + 1
    this.#sum += value
  }

  reset(): void {
    this.#counts.fill(0)
    this.#sum = 0
  }

  /** The lines of a scrape: counts up to each bound, their total and the sum of all values. */
  samples(name: string) {
    const { labels } = this
    let below = 0
    const buckets = this.#counts.map((count, i) => {
      below += count
      const le = this.#bounds[i] ?? '+Inf'
      return { metricName: `${name}_bucket`, labels: { le, ...labels }, value: below }
    })
    return [
      ...buckets,
      { metricName: `${name}_sum`, labels, value: this.#sum },
      { metricName: `${name}_count`, labels, value: below },
    ]
  }
}

/** A histogram whose rows are kept by who observes. */
export class HotHistogram {
  readonly #bounds: readonly number[]
  readonly #rows: HotRow[] = []

  /** @param options with the upper bounds of the buckets, ascending */
  constructor(options: HotMetricOptions & { buckets: readonly number[] }) {
    const { name, help, buckets, registers } = options
    this.#bounds = buckets
    const metric = {
      name,
      help,
      type: 'histogram',
      aggregator: 'sum',
      get: async () => ({
        name,
        help,
        type: 'histogram',
        aggregator: 'sum',
        values: this.#rows.flatMap((row) => row.samples(name)),
      }),
      reset: () => {
        for (const row of this.#rows) row.reset()
      },
    }
    // The registry asks a metric for no more than this.
    for (const registry of registers) registry.registerMetric(metric as unknown as Metric)
  }

  /** A new row; there must be none with these labels. */
  row(labels: Readonly<Record<string, string>>): HotRow {
    const row = new HotRow(labels, this.#bounds)
    this.#rows.push(row)
    return row
  }
}

/** A histogram with one label. */
export class LabelHistogram extends HotHistogram {
  readonly #labelName: string
  readonly #byLabel = new Map<string, HotRow>()

  constructor(options: HotMetricOptions & { labelName: string; buckets: readonly number[] }) {
    super(options)
    this.#labelName = options.labelName
  }

  observe(label: string, value: number): void {
    let row = this.#byLabel.get(label)
    if (row === undefined) {
      row = this.row({ [this.#labelName]: label })
      this.#byLabel.set(label, row)
    }
    row.observe(value)
  }
}
