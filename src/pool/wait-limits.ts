/**
 * Moments at which waiting tickets give up, in buckets of time so that adding and leaving is O(1).
 * The members of a bucket are linked to each other: a million of them need no table of their own.
 */

const BUCKET_MS = 100

/** What the limits keep in their members; only they write it. */
export interface Limited<Item> {
  /** Bucket it is in; undefined outside. */
  limitBucket: number | undefined
  limitBefore: Item | undefined
  limitAfter: Item | undefined
}

export class WaitLimits<Item extends Limited<Item>> {
  /** First member of each bucket. */
  readonly #buckets = new Map<number, Item>()
  /** Buckets are counted from that of the first member: small numbers need no memory. */
  #base: number | undefined
  #next = Number.POSITIVE_INFINITY
  #size = 0

  /** How many wait. */
  get size(): number {
    return this.#size
  }

  /** @param item is in no bucket */
  add(item: Item, atMs: number): void {
    this.#base ??= Math.floor(atMs / BUCKET_MS)
    const bucket = Math.floor(atMs / BUCKET_MS) - this.#base
    const first = this.#buckets.get(bucket)
    if (first !== undefined) first.limitBefore = item
    else if (bucket < this.#next) this.#next = bucket
    item.limitBucket = bucket
    item.limitBefore = undefined
    item.limitAfter = first
    this.#buckets.set(bucket, item)
    this.#size++
  }

  /** Does nothing where the item is in no bucket. */
  remove(item: Item): void {
    const { limitBucket, limitBefore, limitAfter } = item
    if (limitBucket === undefined) return
    if (limitAfter !== undefined) limitAfter.limitBefore = limitBefore
    if (limitBefore !== undefined) limitBefore.limitAfter = limitAfter
    else if (limitAfter !== undefined) this.#buckets.set(limitBucket, limitAfter)
    else this.#buckets.delete(limitBucket)
    item.limitBucket = undefined
    item.limitBefore = undefined
    item.limitAfter = undefined
    this.#size--
  }

  /** Members whose bucket has wholly passed; the caller removes them. */
  due(nowMs: number): Item[] {
    const until = Math.floor(nowMs / BUCKET_MS) - (this.#base ?? 0)
    if (this.#next >= until) return []
    const buckets = [...this.#buckets.keys()].sort((a, b) => a - b)
    this.#next = buckets.find((bucket) => bucket >= until) ?? Number.POSITIVE_INFINITY
    const due: Item[] = []
    for (const bucket of buckets) {
      if (bucket >= until) break
      for (let at = this.#buckets.get(bucket); at !== undefined; at = at.limitAfter) due.push(at)
    }
    return due
  }
}
