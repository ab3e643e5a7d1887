/**
 * Queues of waiting tickets by rank, which is their deadline, then by arrival. They nearly always
 * come in that order, so they stand in line, where coming and going touches nobody else; what comes
 * out of order is in a heap. What is known of a queue is a row of one array, as long as a line of
 * the cache.
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

/** Number in the waiting line of the one that came last in order. */
const LAST = 0
const IN_LINE = 1
/** How many are in the heap. */
const OTHERS = 2
const LAST_RANK = 3
const LAST_ORDER = 4
const ROW = 8

export class DeadlineQueues<Item extends Deadlined> implements Limited<Item> {
  readonly #line: WaitingLine<Item>
  /** By queue, the first of those that stand in line: found when the one before it goes. */
  readonly #first: (Item | undefined)[] = []
  #numbers = new Float64Array(ROW * 16)
  #end = 0
  readonly #free: number[] = []
  /** Heaps of the queues in which some came out of order. */
  readonly #others = new Map<number, Heap<Item>>()

  /** @param line where all members stand as well */
  constructor(line: WaitingLine<Item>) {
    this.#line = line
  }

  /** A new queue, by number. */
  add(): number {
    const queue = this.#free.pop() ?? this.#end++
    if (queue * ROW === this.#numbers.length) this.#grow()
    this.#numbers.fill(0, queue * ROW, queue * ROW + ROW)
    this.#numbers[queue * ROW + LAST] = NONE
    this.#first[queue] = undefined
    return queue
  }

  /** Gives an empty queue back; nobody may use it any more. */
  drop(queue: number): void {
    this.#free.push(queue)
  }

  size(queue: number): number {
    const numbers = this.#numbers
    return (numbers[queue * ROW + IN_LINE] as number) + (numbers[queue * ROW + OTHERS] as number)
  }

  peek(queue: number): Item | undefined {
    const next = this.#first[queue]
    if (this.#numbers[queue * ROW + OTHERS] === 0) return next
    const other = this.#others.get(queue)?.peek()
    if (other === undefined || next === undefined) return next ?? other
    if (next.rank !== other.rank) return next.rank < other.rank ? next : other
    return next.order < other.order ? next : other
  }

  /** @returns whether nobody in front of it gives up waiting sooner for certain */
  push(queue: number, item: Item): boolean {
    const { rank, order, number } = item
    const numbers = this.#numbers
    const at = queue * ROW
    const inLine = numbers[at + IN_LINE] as number
    const lastRank = numbers[at + LAST_RANK] as number
    const isInOrder =
      inLine === 0 ||
      rank > lastRank ||
      (rank === lastRank && order > (numbers[at + LAST_ORDER] as number))
    if (!isInOrder) {
      this.#pushOther(queue, item)
      return true
    }
    this.#line.link(QUEUE, number, numbers[at + LAST] as number)
    if (inLine === 0) this.#first[queue] = item
    numbers[at + LAST] = number
    numbers[at + IN_LINE] = inLine + 1
    numbers[at + LAST_RANK] = rank
    numbers[at + LAST_ORDER] = order
    return inLine === 0 || rank !== item.deadlineMs
  }

  /** @param item is in this queue */
  remove(queue: number, item: Item): void {
    const numbers = this.#numbers
    const at = queue * ROW
    if (item.index >= 0) {
      this.#others.get(queue)?.remove(item)
      if (--(numbers[at + OTHERS] as number) === 0) this.#others.delete(queue)
      return
    }
    const { number } = item
    if (item === this.#first[queue]) this.#first[queue] = this.#after(item)
    if (number === numbers[at + LAST]) numbers[at + LAST] = this.#line.before(QUEUE, number)
    this.#line.unlink(QUEUE, number)
    ;(numbers[at + IN_LINE] as number)--
  }

  *items(queue: number): IterableIterator<Item> {
    yield* this.#standing(queue)
    yield* this.#others.get(queue)?.members() ?? []
  }

  /**
   * Adds those to `due` whose deadline is before a moment.
   * @returns the earliest deadline of the others
   */
  findDue(queue: number, untilMs: number, due: Item[]): number {
    let earliestMs = Number.POSITIVE_INFINITY
    const look = (item: Item) => {
      if (item.deadlineMs < untilMs) due.push(item)
      else earliestMs = Math.min(earliestMs, item.deadlineMs)
      return item.deadlineMs >= untilMs
    }
    for (const item of this.#standing(queue)) {
      if (look(item) && item.rank === item.deadlineMs) break
    }
    for (const item of this.#others.get(queue)?.members() ?? []) look(item)
    return earliestMs
  }

  #pushOther(queue: number, item: Item): void {
    let heap = this.#others.get(queue)
    if (heap === undefined) {
      heap = new Heap<Item>()
      this.#others.set(queue, heap)
    }
    heap.push(item, item.rank)
    ;(this.#numbers[queue * ROW + OTHERS] as number)++
  }

  *#standing(queue: number): IterableIterator<Item> {
    for (let item = this.#first[queue]; item; item = this.#after(item)) yield item
  }

  #after({ number }: Item): Item | undefined {
    const after = this.#line.after(QUEUE, number)
    return after === NONE ? undefined : this.#line.at(after)
  }

  #grow(): void {
    const numbers = new Float64Array(2 * this.#numbers.length)
    numbers.set(this.#numbers)
    this.#numbers = numbers
  }
}
