/** Waiting tickets in the order in which they came; a million of them need no table. */

/** What the line keeps in its members; only it writes them. */
export interface Lined<Item> {
  lineBefore: Item | undefined
  lineAfter: Item | undefined
}

export class WaitingLine<Item extends Lined<Item>> {
  #first: Item | undefined
  #last: Item | undefined

  /** @param item is in no line */
  push(item: Item): void {
    item.lineBefore = this.#last
    if (this.#last === undefined) this.#first = item
    else this.#last.lineAfter = item
    this.#last = item
  }

  /** @param item is in this line */
  remove(item: Item): void {
    const { lineBefore, lineAfter } = item
    if (lineBefore === undefined) this.#first = lineAfter
    else lineBefore.lineAfter = lineAfter
    if (lineAfter === undefined) this.#last = lineBefore
    else lineAfter.lineBefore = lineBefore
    item.lineBefore = undefined
    item.lineAfter = undefined
  }

  /** The member just gone to may leave meanwhile. */
  *items(): IterableIterator<Item> {
    for (let at = this.#first; at !== undefined; ) {
      const next: Item | undefined = at.lineAfter
      yield at
      at = next
    }
  }
}
