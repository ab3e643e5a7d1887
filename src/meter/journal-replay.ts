/** What an earlier run left in its journal, into the database; any number of times the same. */
import type { Queries } from '../store/index.ts'
import type { Journal } from './journal.ts'
import type { RowKind } from './ledger-metrics.ts'
import { writeIntents, writeProgressRows, writeSettlementRows } from './ledger-rows.ts'
import { writeAround } from './write-lane.ts'

/** Rows that are booked together. */
const ROWS = 1000

interface LeftRows {
  intents: string[]
  /** The last of each request. */
  progress: Map<string, string>
  settlements: string[]
}

/**
 * Books it: intents, then how far they were, then their ends. What the database has already stays.
 * @param onBad a row that it refuses for its content
 * @throws what the database throws; the journal keeps everything then
 */
export async function replayJournal(
  journal: Journal,
  sql: Queries,
  onBad: (kind: RowKind, error: unknown) => void,
): Promise<void> {
  const { intents, progress, settlements } = sorted(journal.left)
  const write = async (
    kind: RowKind,
    rows: readonly string[],
    writeRows: (some: readonly string[]) => Promise<unknown>,
  ) => {
    for (let at = 0; at < rows.length; at += ROWS) {
      await writeAround(
        rows.slice(at, at + ROWS),
        async (some) => void (await writeRows(some)),
        (_row, error) => onBad(kind, error),
      )
    }
  }
  await write('intent', intents, (rows) => writeIntents(sql, rows))
  await write('progress', [...progress.values()], (rows) => writeProgressRows(sql, rows))
  await write('settlement', settlements, (rows) =>
    writeSettlementRows(sql, `[${rows.join(',')}]`, true),
  )
  await journal.forgetLeft()
}

function sorted(rows: readonly string[]): LeftRows {
  const left: LeftRows = { intents: [], progress: new Map(), settlements: [] }
  for (const text of rows) {
    const row = JSON.parse(text) as { request_id: string }
    if ('settlement_group' in row) left.settlements.push(text)
    else if ('tenant_id' in row) left.intents.push(text)
    else left.progress.set(row.request_id, text)
  }
  return left
}
