/**
 * Moments at which waiting tickets give up, in buckets of time so that adding and leaving is O(1).
 */

const BUCKET_MS = 100

export class WaitLimits<Item> {
  readonly #buckets = new Map<number, Set<Item>>()
  #next = Number.POSITIVE_INFINITY
  #size = 0

  /** How many wait. */
  get size(): number {
    return this.#size
  }

  add(item: Item, atMs: number): void {
    const key = Math.floor(atMs / BUCKET_MS)
    let bucket = this.#buckets.get(key)
    if (bucket === undefined) {
      bucket = new Set()
      this.#buckets.set(key, bucket)
      if (key < this.#next) this.#next = key
    }
    bucket.add(item)
    this.#size++
  }

  has(item: Item, atMs: number): boolean {
    return this.#buckets.get(Math.floor(atMs / BUCKET_MS))?.has(item) ?? false
  }

  remove(item: Item, atMs: number): void {
    const key = Math.floor(atMs / BUCKET_MS)
    const bucket = this.#buckets.get(key)
    if (!bucket?.delete(item)) return
    this.#size--
    if (bucket.size === 0) this.#buckets.delete(key)
  }

  /** Members whose bucket has wholly passed; the caller removes them. */
  due(nowMs: number): Item[] {
    const until = Math.floor(nowMs / BUCKET_MS)
    if (this.#next >= until) return []
    const keys = [...this.#buckets.keys()].sort((a, b) => a - b)
    const passed = keys.filter((key) => key < until)
    this.#next = keys.find((key) => key >= until) ?? Number.POSITIVE_INFINITY
    return passed.flatMap((key) => [...(this.#buckets.get(key) ?? [])])
  }
}
