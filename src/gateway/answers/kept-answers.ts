/**
 * Answers that are kept for a while, in memory only, since they are what tenants were told. They
 * have one bound in bytes; where it is reached, the tenant that holds most loses its oldest first.
 */
import type { Clock } from '../../base/index.ts'
import type { GuardSet } from '../../guard/index.ts'
import type { TokenCounts } from '../../meter/index.ts'
import type { Route } from '../../route/index.ts'
import type { Tape } from './tape.ts'

/** What an entry costs beside its answer, bytes. */
const ENTRY_BYTES = 512
/** One answer may have this part of the bound. */
const PART = 8

export interface KeptAnswer {
  /** The request that it was made for. */
  requestId: string
  /** Of its body. */
  bodyDigest: string
  tape: Tape
  /** The route that it went by; undefined where its model had none. */
  route: Route | undefined
  /** The guards that have let it pass; undefined where there were none. */
  guards: GuardSet | undefined
  /** What its engine counted; null where it did not tell. */
  usage: TokenCounts | null
}

interface Entry {
  answer: KeptAnswer
  bytes: number
  endsAtMs: number
}

/** One tenant's, oldest first. */
interface Shelf {
  entries: Map<string, Entry>
  bytes: number
}

export class KeptAnswers {
  readonly #clock: Clock
  readonly #bytesMax: number
  readonly #shelves = new Map<string, Shelf>()
  #bytes = 0

  constructor(clock: Clock, bytesMax: number) {
    this.#clock = clock
    this.#bytesMax = bytesMax
  }

  /** Bytes held now. */
  get bytes(): number {
    return this.#bytes
  }

  find(tenantId: string, key: string): KeptAnswer | undefined {
    const entry = this.#shelves.get(tenantId)?.entries.get(key)
    return entry !== undefined && entry.endsAtMs > this.#clock.monotonicMs()
      ? entry.answer
      : undefined
  }

  /** Keeps a complete answer in the place of one of the same key; not if it is too large. */
  keep(tenantId: string, key: string, answer: KeptAnswer, keepMs: number): void {
    const body = Buffer.concat(answer.tape.chunks)
    const bytes = body.length + ENTRY_BYTES
    this.#remove(tenantId, key)
    if (keepMs <= 0 || bytes > this.#bytesMax / PART) return
    while (this.#bytes + bytes > this.#bytesMax) this.#removeOldest()
    const shelf = this.#shelves.get(tenantId) ?? { entries: new Map(), bytes: 0 }
    this.#shelves.set(tenantId, shelf)
    const tape = { ...answer.tape, chunks: [body] }
    const endsAtMs = this.#clock.monotonicMs() + keepMs
    shelf.entries.set(key, { answer: { ...answer, tape }, bytes, endsAtMs })
    shelf.bytes += bytes
    this.#bytes += bytes
  }

  /** To be called now and then: lets go of what is past its time. */
  forgetOld(): void {
    const nowMs = this.#clock.monotonicMs()
    for (const [tenantId, { entries }] of this.#shelves) {
      for (const [key, entry] of entries) if (entry.endsAtMs <= nowMs) this.#remove(tenantId, key)
    }
  }

  #removeOldest(): void {
    let most: [string, Shelf] | undefined
    for (const one of this.#shelves) {
      if (most === undefined || one[1].bytes > most[1].bytes) most = one
    }
    const [key] = most?.[1].entries.keys() ?? []
    if (most !== undefined && key !== undefined) this.#remove(most[0], key)
  }

  #remove(tenantId: string, key: string): void {
    const shelf = this.#shelves.get(tenantId)
    const entry = shelf?.entries.get(key)
    if (shelf === undefined || entry === undefined) return
    shelf.entries.delete(key)
    shelf.bytes -= entry.bytes
    this.#bytes -= entry.bytes
    if (shelf.entries.size === 0) this.#shelves.delete(tenantId)
  }
}
