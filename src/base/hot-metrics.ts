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

interface Row {
  /** How many values fell between one bound and the next; the last is above all bounds. */
  counts: number[]
  sum: number
}

/** A histogram with one label. */
export class HotHistogram {
  readonly #bounds: readonly number[]
  readonly #rows = new Map<string, Row>()

  /** @param options with the upper bounds of the buckets, ascending */
  constructor(options: HotMetricOptions & { labelName: string; buckets: readonly number[] }) {
    const { name, help, labelName, buckets, registers } = options
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
        values: [...this.#rows].flatMap(([label, row]) =>
          samplesOf(row, buckets, { name, labels: { [labelName]: label } }),
        ),
      }),
      reset: () => this.#rows.clear(),
    }
    // The registry asks a metric for no more than this.
    for (const registry of registers) registry.registerMetric(metric as unknown as Metric)
  }

  observe(label: string, value: number): void {
    let row = this.#rows.get(label)
    if (row === undefined) {
      row = { counts: new Array<number>(this.#bounds.length + 1).fill(0), sum: 0 }
      this.#rows.set(label, row)
    }
    let at = 0
    while (at < this.#bounds.length && value > (this.#bounds[at] as number)) at++
    row.counts[at] = (row.counts[at] as number) + 1
    row.sum += value
  }
}

/** The lines of a scrape: counts up to each bound, their total and the sum of all values. */
function samplesOf(
  { counts, sum }: Row,
  bounds: readonly number[],
  { name, labels }: { name: string; labels: Record<string, string> },
) {
  let below = 0
  const buckets = counts.map((count, i) => {
    below += count
    const le = bounds[i] ?? '+Inf'
    return { metricName: `${name}_bucket`, labels: { le, ...labels }, value: below }
  })
  return [
    ...buckets,
    { metricName: `${name}_sum`, labels, value: sum },
    { metricName: `${name}_count`, labels, value: below },
  ]
}
