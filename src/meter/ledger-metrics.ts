/** What the ledger shows of itself to Prometheus. */
import { Counter, Gauge, LabelHistogram, type Registry } from '../base/index.ts'

export interface LedgerMetrics {
  groupRows: LabelHistogram
  writeSeconds: LabelHistogram
  doubleSettled: Counter
  badRows: Counter<'kind'>
}

const rowKinds = ['intent', 'progress', 'settlement'] as const
export type RowKind = (typeof rowKinds)[number]

interface Gauges {
  openIntents: () => number
  pendingIntents: () => number
  pendingSettlements: () => number
  healthy: () => boolean
  isAway: () => boolean
}

export function createLedgerMetrics(registry: Registry, gauges: Gauges): LedgerMetrics {
  const registers = [registry]
  const gauge = (name: string, help: string, read: () => number) =>
    new Gauge({
      name,
      help,
      registers,
      collect() {
        this.set(read())
      },
    })
  gauge('gristmill_ledger_open_intents', 'Requests booked but not settled', gauges.openIntents)
  gauge('gristmill_ledger_pending_intents', 'Intents waiting to be written', gauges.pendingIntents)
  gauge(
    'gristmill_ledger_pending_settlements',
    'Settlements waiting to be written',
    gauges.pendingSettlements,
  )
  gauge('gristmill_ledger_healthy', '1 while the ledger takes requests', () =>
    gauges.healthy() ? 1 : 0,
  )
  gauge('gristmill_ledger_away', '1 while the ledger is without its database', () =>
    gauges.isAway() ? 1 : 0,
  )
  const badRows = new Counter({
    name: 'gristmill_ledger_bad_rows_total',
    help: 'Rows that the database refused for their content',
    labelNames: ['kind'],
    registers,
  })
  for (const kind of rowKinds) badRows.inc({ kind }, 0)
  return {
    groupRows: new LabelHistogram({
      name: 'gristmill_ledger_group_rows',
      help: 'Rows written together',
      labelName: 'kind',
      buckets: [1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024],
      registers,
    }),
    writeSeconds: new LabelHistogram({
      name: 'gristmill_ledger_write_seconds',
      help: 'Time until a group was durable',
      labelName: 'kind',
      buckets: [0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.5, 1, 5],
      registers,
    }),
    doubleSettled: new Counter({
      name: 'gristmill_ledger_double_settled_total',
      help: 'Settlements refused because the request had one; always a programming error',
      registers,
    }),
    badRows,
  }
}
