/**
 * Waiting tickets in the order in which they came. Each has a small whole number as long as it
 * waits; lists of tickets are links between numbers, in one array. So a million of them need no
 * table, and a ticket that comes or goes touches no other one, which no cache would hold.
 */

/** What the line keeps in its members; only it writes them. */
export interface Lined {
  /** Its number while it waits; that of one who has left is given to the next. */
  number: number
}

export const NONE = -1

/** Lists that a number can be in at once: the line itself, and a queue with other ones. */
export type List = 0 | 1
const LINE: List = 0

/** Each list has two links in a number's row: to the one before, and to the one after. */
const ROW = 4

export class WaitingLine<Item extends Lined> {
  readonly #items: (Item | undefined)[] = []
  readonly #free: number[] = []
  #links = new Int32Array(ROW * 64)
  #first = NONE
  #last = NONE
  #size = 0

  /** How many wait. */
  get size(): number {
    return this.#size
  }

  /** @param item is in no line */
  push(item: Item): void {
    const number = this.#free.pop() ?? this.#items.length
    if (number * ROW === this.#links.length) this.#grow()
    item.number = number
    this.#items[number] = item
    this.link(LINE, number, this.#last)
    if (this.#first === NONE) this.#first = number
    this.#last = number
    this.#size++
  }

  /** @param item is in this line, and in no other list */
  remove({ number }: Item): void {
    if (this.#first === number) this.#first = this.after(LINE, number)
    if (this.#last === number) this.#last = this.before(LINE, number)
    this.unlink(LINE, number)
    this.#items[number] = undefined
    this.#free.push(number)
    this.#size--
  }

  at(number: number): Item | undefined {
    return this.#items[number]
  }

  /** The member just gone to may leave meanwhile. */
  *items(): IterableIterator<Item> {
    for (let at = this.#first; at !== NONE; ) {
      const next = this.after(LINE, at)
      yield this.#items[at] as Item
      at = next
    }
  }

  before(list: List, number: number): number {
    return this.#links[number * ROW + 2 * list] as number
  }

  after(list: List, number: number): number {
    return this.#links[number * ROW + 2 * list + 1] as number
  }

  /** Puts a number behind the last one of a list. */
  link(list: List, number: number, last: number): void {
    const links = this.#links
    const at = number * ROW + 2 * list
    links[at] = last
    links[at + 1] = NONE
    if (last !== NONE) links[last * ROW + 2 * list + 1] = number
  }

  /** Takes a number out of a list; the caller knows the list's ends. */
  unlink(list: List, number: number): void {
    const links = this.#links
    const at = number * ROW + 2 * list
    const before = links[at] as number
    const after = links[at + 1] as number
    if (before !== NONE) links[before * ROW + 2 * list + 1] = after
    if (after !== NONE) links[after * ROW + 2 * list] = before
  }

  #grow(): void {
    const links = new Int32Array(2 * this.#links.length)
    links.set(this.#links)
    this.#links = links
  }
}
