/**
 * Waiting tickets by deadline, then by arrival. They nearly always come in that order, so they
 * stand in line, where coming and going touches nobody else; what comes out of order is in a heap.
 */
import { Heap, type HeapMember } from './heap.ts'

export interface Deadlined extends HeapMember {
  /** Earlier goes first. */
  readonly deadlineMs: number
  /** Arrival number; breaks ties. */
  readonly order: number
}

/** The head of the line is cut off when it has this many gaps and they are half of it. */
const GAPS_MIN = 32

export class DeadlineQueue<Item extends Deadlined> {
  /** In order; who has left leaves a gap. The first is none. */
  #line: (Item | undefined)[] = []
  #first = 0
  /** How many were ever cut off the line: an item's number less this is its place in it. */
  #cut = 0
  #inLine = 0
  #lastDeadlineMs = 0
  #lastOrder = 0
  #others: Heap<Item> | undefined

  get size(): number {
    return this.#inLine + (this.#others?.size ?? 0)
  }

  peek(): Item | undefined {
    const next = this.#line[this.#first]
    const other = this.#others?.peek()
    if (other === undefined || next === undefined) return next ?? other
    if (next.deadlineMs !== other.deadlineMs) {
      return next.deadlineMs < other.deadlineMs ? next : other
    }
    return next.order < other.order ? next : other
  }

  push(item: Item): void {
    const { deadlineMs, order } = item
    const isInOrder =
      this.#inLine === 0 ||
      deadlineMs > this.#lastDeadlineMs ||
      (deadlineMs === this.#lastDeadlineMs && order > this.#lastOrder)
    if (!isInOrder) {
      this.#others ??= new Heap<Item>()
      this.#others.push(item, deadlineMs)
      return
    }
    this.#lastDeadlineMs = deadlineMs
    this.#lastOrder = order
    item.index = this.#cut + this.#line.push(item) - 1
    this.#inLine++
  }

  remove(item: Item): void {
    const at = item.index - this.#cut
    if (this.#line[at] !== item) {
      this.#others?.remove(item)
      return
    }
    item.index = -1
    this.#line[at] = undefined
    this.#inLine--
    if (this.#inLine === 0) this.#cutOff(this.#line.length)
    else if (at === this.#first) this.#advance()
  }

  *items(): IterableIterator<Item> {
    for (const item of this.#line) if (item !== undefined) yield item
    if (this.#others) yield* this.#others.members()
  }

  #advance(): void {
    while (this.#line[this.#first] === undefined) this.#first++
    if (this.#first < GAPS_MIN || this.#first * 2 < this.#line.length) return
    this.#cutOff(this.#first)
  }

  #cutOff(count: number): void {
    this.#cut += count
    this.#first = 0
    if (count === this.#line.length) this.#line.length = 0
    else this.#line.splice(0, count)
  }
}
