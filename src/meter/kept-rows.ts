/**
 * Settlements and progress in the journal for as long as the database does not take them, so that a
 * crash meanwhile costs no more than with a database. Nothing is kept while it is there.
 */
import type { Journal, JournalFile } from './journal.ts'
import { rowOfProgress, rowOfSettlement } from './ledger-rows.ts'
import type { Progress, Settlement } from './types.ts'

/** A row has some hundred bytes; a group must fit into a file. */
const GROUP_ROWS = 100

export class KeptRows {
  readonly #journal: Journal
  /** Where each is; null while it is being written. */
  readonly #settlements = new Map<Settlement, JournalFile | null>()
  /** Where each row of progress is that was kept last. */
  #progress: JournalFile[] = []
  #isKeeping = false

  constructor(journal: Journal) {
    this.#journal = journal
  }

  /**
   * Keeps what is not kept yet. Of progress only what is given last counts.
   * @throws what the file system throws
   */
  async keep(
    settlements: readonly Settlement[],
    progress: readonly (readonly [requestId: string, progress: Progress])[],
  ): Promise<void> {
    if (this.#isKeeping) return
    this.#isKeeping = true
    try {
      await this.#keepSettlements(settlements.filter((one) => !this.#settlements.has(one)))
      await this.#keepProgress(progress.map(rowOfProgress))
    } finally {
      this.#isKeeping = false
    }
  }

  /** The database has them. */
  closed(settlements: readonly Settlement[]): void {
    if (this.#settlements.size === 0) return
    for (const one of settlements) {
      const file = this.#settlements.get(one)
      if (file) this.#journal.booked(file)
      this.#settlements.delete(one)
    }
  }

  /** The database has all progress. */
  progressed(): void {
    for (const file of this.#progress.splice(0)) this.#journal.booked(file)
  }

  async #keepSettlements(fresh: readonly Settlement[]): Promise<void> {
    for (const one of fresh) this.#settlements.set(one, null)
    try {
      for (const group of groupsOf(fresh)) {
        const file = await this.#journal.append(group.map(rowOfSettlement))
        for (const one of group) {
          if (this.#settlements.has(one)) this.#settlements.set(one, file)
          else this.#journal.booked(file)
        }
      }
    } finally {
      for (const one of fresh) {
        if (this.#settlements.get(one) === null) this.#settlements.delete(one)
      }
    }
  }

  async #keepProgress(rows: readonly string[]): Promise<void> {
    const before = this.#progress
    this.#progress = []
    try {
      for (const group of groupsOf(rows)) {
        const file = await this.#journal.append(group)
        for (const _ of group) this.#progress.push(file)
      }
    } finally {
      for (const file of before) this.#journal.booked(file)
    }
  }
}

function* groupsOf<Row>(rows: readonly Row[]): Generator<readonly Row[]> {
  for (let at = 0; at < rows.length; at += GROUP_ROWS) yield rows.slice(at, at + GROUP_ROWS)
}
