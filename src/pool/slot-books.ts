/** Keeps a book of the numbered slots of every engine that has such, for as long as it is up. */
import type { EngineProfile, EngineState } from '../engine/index.ts'
import { type PromptSlot, PromptSlots } from './prompt-slots.ts'
import type { PoolTicket } from './ticket.ts'

interface Kept {
  book: PromptSlots
  models: EngineProfile['models']
}

export class SlotBooks {
  readonly #kept = new Map<string, Kept>()
  /** By engine, places that requests may have of which nobody tells. */
  readonly #held = new Map<string, number>()
  readonly #running: { values(): Iterable<PoolTicket> }

  /** @param running tickets that run, on all engines */
  constructor(running: { values(): Iterable<PoolTicket> }) {
    this.#running = running
  }

  /** An engine's present state. What was away may have been started anew, and holds nothing. */
  set(engineId: string, { promptSlots: count, models }: EngineProfile, state: EngineState): void {
    const isUp = state === 'up' || state === 'draining'
    if (count === undefined || !isUp) {
      this.#kept.delete(engineId)
      return
    }
    const known = this.#kept.get(engineId)?.book
    const book = known?.count === count ? known : this.#open(engineId, count)
    this.#kept.set(engineId, { book, models })
  }

  #open(engineId: string, count: number): PromptSlots {
    const running = [...this.#running.values()].filter((ticket) => ticket.engineId === engineId)
    const book = new PromptSlots(count, running.length)
    book.hold(this.heldAt(engineId))
    return book
  }

  remove(engineId: string): void {
    this.#kept.delete(engineId)
    this.#held.delete(engineId)
  }

  /** So many places of an engine may be taken by requests of which nobody tells. */
  hold(engineId: string, places: number): void {
    if (places > 0) this.#held.set(engineId, places)
    else this.#held.delete(engineId)
    this.#kept.get(engineId)?.book.hold(places)
  }

  heldAt(engineId: string): number {
    return this.#held.get(engineId) ?? 0
  }

  /** Others decide from now on who goes where. */
  forget(): void {
    for (const [engineId, { book, models }] of this.#kept) {
      this.#kept.set(engineId, { book: this.#open(engineId, book.count), models })
    }
  }

  /** True where an engine with numbered slots serves the model. */
  serve(model: string): boolean {
    for (const { models } of this.#kept.values()) {
      if (models.some(({ name }) => name === model)) return true
    }
    return false
  }

  /** @returns undefined where the engine is to choose */
  take(ticket: PoolTicket): PromptSlot | undefined {
    ticket.slotBook = this.#bookOf(ticket)
    ticket.slot = ticket.slotBook?.take(ticket.request)
    return ticket.slot
  }

  /** It runs already, wherever it was sent. */
  adopt(ticket: PoolTicket): void {
    ticket.slotBook = this.#bookOf(ticket)
    ticket.slotBook?.take({ ...ticket.request, spreads: true })
  }

  /** It has ended. A book that was opened while it ran knows that it did, and not where. */
  give(ticket: PoolTicket): void {
    const book = this.#bookOf(ticket)
    const slot = book === ticket.slotBook ? ticket.slot : undefined
    book?.give(slot, ticket.firstTokenAtMs !== undefined)
  }

  #bookOf({ engineId }: Pick<PoolTicket, 'engineId'>): PromptSlots | undefined {
    return engineId === undefined ? undefined : this.#kept.get(engineId)?.book
  }
}
