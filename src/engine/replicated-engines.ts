/** Entries whose name stands for several engines: one for each address that it has now. */
import type { EngineRow } from './engine-rows.ts'
import type { EngineWatch } from './engine-watch.ts'
import { ReplicaSet, type ReplicaSetOptions } from './replica-set.ts'

/** Where the engines are kept. */
export interface EnginePlaces {
  /** @param serverName name of its certificate */
  place(replica: EngineRow, entryId: string, serverName: string): EngineWatch
  at(id: string): { watch: EngineWatch; engine: { running: number } } | undefined
  drop(id: string): void
}

export class ReplicatedEngines {
  readonly #options: Omit<ReplicaSetOptions, 'host'>
  readonly #places: EnginePlaces
  readonly #entries = new Map<string, { row: EngineRow; set: ReplicaSet }>()

  constructor(options: Omit<ReplicaSetOptions, 'host'>, places: EnginePlaces) {
    this.#options = options
    this.#places = places
  }

  /** The entry of this id, where it has replicas. */
  row(entryId: string): EngineRow | undefined {
    return this.#entries.get(entryId)?.row
  }

  rows(): EngineRow[] {
    return [...this.#entries.values()].map(({ row }) => row)
  }

  /** Replicas that appear from now on are drained from their beginning, or are not. */
  setDraining(entryId: string, draining: boolean): void {
    const entry = this.#entries.get(entryId)
    if (entry) entry.row = { ...entry.row, draining }
  }

  /**
   * Keeps an engine for each address, and one for the name itself while it has none. Resolves when
   * those that there are have answered or failed once.
   */
  async open(row: EngineRow): Promise<void> {
    const host = new URL(row.url).hostname
    const first: Promise<unknown>[] = []
    const idAt = (number: number) => `${row.id}-${number}`
    const begin = (number: number, address: string) => {
      const replica = replicaAt(this.row(row.id) ?? row, number, address)
      return this.#places.place(replica, row.id, host).start()
    }
    let isFirst = true
    const set = new ReplicaSet(
      { ...this.#options, host },
      {
        added: (number, address) => {
          const started = begin(number, address)
          if (isFirst) first.push(started)
          this.#places.drop(idAt(0))
        },
        gone: (number) => this.#retire(idAt(number)),
        back: (number) => {
          const { draining = false } = this.row(row.id) ?? {}
          this.#places.at(idAt(number))?.watch.back(draining)
        },
      },
    )
    this.#entries.set(row.id, { row, set })
    await set.start()
    isFirst = false
    if (set.size === 0) first.push(begin(0, host))
    await Promise.all(first)
  }

  forget(entryId: string): void {
    this.#entries.get(entryId)?.set.close()
    this.#entries.delete(entryId)
  }

  close(): void {
    for (const { set } of this.#entries.values()) set.close()
  }

  /** Its address is gone: it takes nothing new, and goes once nothing runs there any more. */
  #retire(id: string): boolean {
    const place = this.#places.at(id)
    if (place === undefined) return true
    if (place.watch.isLeaving && place.engine.running === 0) {
      this.#places.drop(id)
      return true
    }
    place.watch.leave()
    return false
  }
}

/** The row that stands for one address of an entry. */
function replicaAt(row: EngineRow, number: number, address: string): EngineRow {
  const url = new URL(row.url)
  url.hostname = address.includes(':') && !address.startsWith('[') ? `[${address}]` : address
  const plainUrl = url.href.replace(/\/+$/, '')
  return { ...row, id: `${row.id}-${number}`, name: `${row.name}-${number}`, url: plainUrl }
}
