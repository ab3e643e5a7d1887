/** The ledger against what clients were told, request by request. Pure; reads nothing. */

/** One call as its client saw it. */
export interface ClientCall {
  /** From the response header; null where no header came. */
  requestId: string | null
  /** `finished`: the whole answer came; `aborted`: we left; `failed`: the server or its end. */
  end: 'finished' | 'aborted' | 'failed'
  /** When each chunk with text came, milliseconds of one clock. */
  chunkMs: number[]
  /** As told at the end of the answer. */
  usage: Counts | null
  /** What the engine itself counted, where it was asked in time. */
  engine: Counts | null
}

export interface Counts {
  inputTokens: number
  cachedTokens: number
  outputTokens: number
}

/** One row of the ledger. */
export interface LedgerRow extends Counts {
  requestId: string
  group: 'finished' | 'cut' | 'recovered'
  estimated: boolean
}

export interface Verdict {
  finished: number
  cut: number
  recovered: number
  /** Prompt and output tokens over the finished requests. */
  clientTokens: number
  ledgerTokens: number
  /** Rows whose count the engine confirmed. */
  engineChecked: number
  /** A sentence each; none may stay. */
  violations: string[]
}

/** A stream that a crash ended may be booked by what came in this time too low. */
const PROGRESS_MS = 1000

/** Compares; calls that never got a header have nothing to compare. */
export function judge(calls: readonly ClientCall[], rows: readonly LedgerRow[]): Verdict {
  const byId = new Map(rows.map((row) => [row.requestId, row]))
  const verdict: Verdict = {
    finished: 0,
    cut: 0,
    recovered: 0,
    clientTokens: 0,
    ledgerTokens: 0,
    engineChecked: 0,
    violations: [],
  }
  for (const call of calls) {
    if (call.requestId === null) continue
    const row = byId.get(call.requestId)
    if (row === undefined) {
      if (call.chunkMs.length > 0 || call.usage !== null) {
        verdict.violations.push(`${call.requestId}: received, and not on the ledger`)
      }
      continue
    }
    verdict.violations.push(...violationsOf(call, row))
    if (call.engine !== null) verdict.engineChecked++
    if (call.usage === null || row.group !== 'finished') continue
    verdict.clientTokens += total(call.usage)
    verdict.ledgerTokens += total(row)
  }
  for (const { group } of rows) verdict[group]++
  return verdict
}

const total = ({ inputTokens, outputTokens }: Counts) => inputTokens + outputTokens

function violationsOf(call: ClientCall, row: LedgerRow): string[] {
  const found: string[] = []
  const say = (what: string) => found.push(`${row.requestId} (${row.group}): ${what}`)
  const received = call.chunkMs.length
  // A crash may also take the settlement of an answer that had just gone out whole.
  const isCrash = row.group === 'recovered'
  if (!isCrash && call.end === 'finished' && row.group !== 'finished') {
    say('its client had the whole answer')
  }
  if (!isCrash && call.usage !== null && !isSame(call.usage, row)) {
    say(`the client was told ${inWords(call.usage)}, the ledger has ${inWords(row)}`)
  }
  if (!isCrash && call.engine !== null && !row.estimated && !isSame(call.engine, row)) {
    say(`the engine counted ${inWords(call.engine)}, the ledger has ${inWords(row)}`)
  }
  const owed = isCrash ? received - inLastSecond(call.chunkMs) : received
  if (row.outputTokens < owed) say(`${received} chunks received, ${row.outputTokens} booked`)
  return found
}

const isSame = (a: Counts, b: Counts) =>
  a.inputTokens === b.inputTokens &&
  a.cachedTokens === b.cachedTokens &&
  a.outputTokens === b.outputTokens

const inWords = ({ inputTokens, cachedTokens, outputTokens }: Counts) =>
  `${inputTokens} in (${cachedTokens} cached), ${outputTokens} out`

function inLastSecond(chunkMs: readonly number[]): number {
  const fromMs = (chunkMs.at(-1) ?? 0) - PROGRESS_MS
  return chunkMs.filter((atMs) => atMs >= fromMs).length
}
