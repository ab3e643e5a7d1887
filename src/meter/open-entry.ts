/** One request between its intent and its settlement, as the ledger holds it in memory. */
import type { JournalFile } from './journal.ts'
import type { Intent, Progress, Settlement } from './types.ts'

export interface OpenEntry {
  readonly intent: Intent
  /** The intent as a row for the journal and the database. */
  readonly row: string
  /** Where it is in the journal, once it is. */
  file: JournalFile | undefined
  /** True once the database has the intent. */
  isBooked: boolean
  /** For who waits for that. */
  booked: PromiseWithResolvers<void> | undefined
  readonly resolve: () => void
  readonly reject: (error: Error) => void
  /**
   * `waiting`: not durable yet; `open`: durable; `abandoned`: the caller was told that it failed
   * though the journal may have it, so the ledger itself closes it.
   */
  state: 'waiting' | 'open' | 'abandoned'
  progress: Progress | null
  /** True while `progress` is in the list of what to write. */
  dirty: boolean
  settlement: Settlement | null
}

/** How an abandoned request is booked: it was refused and used nothing. */
export function refusedSettlement(intent: Intent, settledAtMs: number): Settlement {
  return {
    requestId: intent.requestId,
    group: 'cut',
    end: 'refused',
    estimated: false,
    servedClass: intent.serviceClass,
    engineId: null,
    inputTokens: 0,
    cachedTokens: 0,
    outputTokens: 0,
    queueMs: 0,
    engineMs: 0,
    ttftMs: null,
    tokenGapMs: null,
    settledAtMs,
    isBudgeted: intent.reserved !== undefined,
  }
}
