/** The books after a round of chaos `books` against what callers were told. Pure; reads nothing. */
import type { TokenCounts } from '../src/meter/index.ts'
import type { News } from './books-terms.ts'

/** One call as its caller saw it, by the clock of whoever listened. */
export interface Told {
  /** What it takes if it is read to its end. */
  most: TokenCounts
  /** When each token came, milliseconds. */
  tokenMs: number[]
  ended: { atMs: number; usage: TokenCounts | null } | null
}

/** What the ledger has of a request. */
export interface BookedRow extends TokenCounts {
  id: string
  group: 'finished' | 'cut' | 'recovered' | null
}

export interface Findings {
  lost: string[]
  doubled: string[]
}

/** A crash may take so much of what came last. */
const PROGRESS_MS = 1000

/** What callers were told in a round, as it comes in. */
export class Record {
  readonly told = new Map<string, Told>()
  readonly refused = new Map<string, string>()
  lastMs = 0

  hear(news: News, atMs: number): void {
    this.lastMs = atMs
    if (news.kind === 'began') {
      this.told.set(news.id, { most: news.most, tokenMs: [], ended: null })
    } else if (news.kind === 'tokens') this.told.get(news.id)?.tokenMs.push(atMs)
    else if (news.kind === 'refused') this.refused.set(news.id, news.code)
    else if (news.kind === 'ended') {
      const told = this.told.get(news.id)
      if (told !== undefined) told.ended = { atMs, usage: news.usage }
    }
  }
}

/** @param rows of all requests that were told of, and of any others of the round */
export function judge(record: Record, rows: readonly BookedRow[]): Findings {
  const found: Findings = { lost: [], doubled: [] }
  const byId = new Map(rows.map((row) => [row.id, row]))
  for (const [id, told] of record.told) {
    const row = byId.get(id)
    if (row === undefined || row.group === null) {
      found.lost.push(`${id}: begun, and ${row === undefined ? 'not on the ledger' : 'not closed'}`)
      continue
    }
    compare(told, row, record.lastMs, found)
  }
  for (const id of record.refused.keys()) {
    const row = byId.get(id)
    if (row === undefined || row.inputTokens + row.outputTokens === 0) continue
    found.doubled.push(`${id}: refused, and charged ${inWords(row)}`)
  }
  return found
}

function compare(told: Told, row: BookedRow, lastMs: number, found: Findings): void {
  const { most, tokenMs, ended } = told
  const isCrash = row.group === 'recovered'
  const fromMs = lastMs - PROGRESS_MS
  const owed = isCrash ? tokenMs.filter((atMs) => atMs < fromMs).length : tokenMs.length
  const say = (what: string) => `${row.id} (${row.group}): ${what}, booked ${inWords(row)}`
  if (row.outputTokens < owed) found.lost.push(say(`${owed} tokens received`))
  if (row.outputTokens > most.outputTokens || row.inputTokens > most.inputTokens) {
    found.doubled.push(say(`it was ${inWords(most)}`))
  }
  if (ended === null || (isCrash && ended.atMs >= fromMs)) return
  if (isCrash) found.lost.push(say('it had ended a second before the crash'))
  else if (ended.usage !== null && inWords(ended.usage) !== inWords(row)) {
    found.lost.push(say(`told ${inWords(ended.usage)}`))
  }
}

const inWords = ({ inputTokens, cachedTokens, outputTokens }: TokenCounts) =>
  `${inputTokens} in (${cachedTokens} cached), ${outputTokens} out`
