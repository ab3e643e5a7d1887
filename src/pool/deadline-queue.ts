/**
 * Waiting tickets by rank, which is their deadline, then by arrival. They nearly always come in
 * that order, so they stand in line, where coming and going touches nobody else; what comes out of
 * order is in a heap.
 */
import { Heap, type HeapMember } from './heap.ts'
import type { Limited } from './wait-limits.ts'
import { type Lined, NONE, type WaitingLine } from './waiting-line.ts'

export interface Deadlined extends HeapMember, Lined {
  /** Smaller goes first: the deadline, or the same for all where only arrival counts. */
  readonly rank: number
  /** Arrival number; breaks ties. */
  readonly order: number
  /** When it gives up waiting. */
  readonly deadlineMs: number
}

const QUEUE = 1

export class DeadlineQueue<Item extends Deadlined> implements Limited<Item> {
  /** Numbers in the waiting line. */
  #first = NONE
  #last = NONE
  #inLine = 0
  #lastOrder = 0
  #others: Heap<Item> | undefined
  readonly #line: WaitingLine<Item>
  #lastRank = 0
  limitBucket: number | undefined = undefined

  /** @param line where all its members stand as well */
  constructor(line: WaitingLine<Item>) {
    this.#line = line
  }

  get size(): number {
    return this.#inLine + (this.#others?.size ?? 0)
  }

  peek(): Item | undefined {
    const next = this.#first === NONE ? undefined : this.#line.at(this.#first)
    const other = this.#others?.peek()
    if (other === undefined || next === undefined) return next ?? other
    if (next.rank !== other.rank) return next.rank < other.rank ? next : other
    return next.order < other.order ? next : other
  }

  /** @returns whether nobody in front of it gives up waiting sooner for certain */
  push(item: Item): boolean {
    const { rank, order } = item
    const isInOrder =
      this.#inLine === 0 ||
      rank > this.#lastRank ||
      (rank === this.#lastRank && order > this.#lastOrder)
    if (!isInOrder) {
      this.#others ??= new Heap<Item>()
      this.#others.push(item, rank)
      return true
    }
    this.#lastRank = rank
    this.#lastOrder = order
    this.#line.link(QUEUE, item.number, this.#last)
    this.#last = item.number
    if (this.#inLine++ === 0) this.#first = item.number
    return this.#inLine === 1 || rank !== item.deadlineMs
  }

  /** @param item is in this queue */
  remove(item: Item): void {
    if (item.index >= 0) {
      this.#others?.remove(item)
      return
    }
    const { number } = item
    if (number === this.#first) this.#first = this.#line.after(QUEUE, number)
    if (number === this.#last) this.#last = this.#line.before(QUEUE, number)
    this.#line.unlink(QUEUE, number)
    this.#inLine--
  }

  *items(): IterableIterator<Item> {
    yield* this.#standing()
    if (this.#others) yield* this.#others.members()
  }

  /**
   * Adds those to `due` whose deadline is before a moment.
   * @returns the earliest deadline of the others
   */
  findDue(untilMs: number, due: Item[]): number {
    let earliestMs = Number.POSITIVE_INFINITY
    const look = (item: Item) => {
      if (item.deadlineMs < untilMs) due.push(item)
      else earliestMs = Math.min(earliestMs, item.deadlineMs)
      return item.deadlineMs >= untilMs
    }
    for (const item of this.#standing()) {
      if (look(item) && item.rank === item.deadlineMs) break
    }
    for (const item of this.#others?.members() ?? []) look(item)
    return earliestMs
  }

  *#standing(): IterableIterator<Item> {
    for (let at = this.#first; at !== NONE; at = this.#line.after(QUEUE, at)) {
      yield this.#line.at(at) as Item
    }
  }
}
