/**
 * A map for values that come and go thousands of times a second, such as requests by their id.
 *
 * V8 links each table that a `Map` outgrows to its successor, and a map with much coming and going
 * outgrows one every few dozen entries. Once such a chain has grown old, every value entered later
 * survives the young collections, which doubled the cost of a request. So the table here holds
 * boxes that are used again and again, and a value is reachable only while it is entered.
 */

interface Box<Value> {
  value: Value | undefined
}

export class ShortLivedMap<Value> {
  readonly #boxes = new Map<string, Box<Value>>()
  readonly #free: Box<Value>[] = []

  get size(): number {
    return this.#boxes.size
  }

  get(key: string): Value | undefined {
    return this.#boxes.get(key)?.value
  }

  has(key: string): boolean {
    return this.#boxes.has(key)
  }

  /** A key that is entered already gets a new box: looking first would cost every other one. */
  set(key: string, value: Value): void {
    const box = this.#free.pop() ?? { value: undefined }
    box.value = value
    this.#boxes.set(key, box)
  }

  /** @returns whether it was there */
  delete(key: string): boolean {
    const box = this.#boxes.get(key)
    if (!box) return false
    this.#boxes.delete(key)
    box.value = undefined
    this.#free.push(box)
    return true
  }

  *values(): IterableIterator<Value> {
    for (const { value } of this.#boxes.values()) if (value !== undefined) yield value
  }
}
