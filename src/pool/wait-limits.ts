/**
 * Moments at which waiting tickets give up. Not tickets but queues are noted, in buckets of time:
 * each where its first ticket gives up, or did so when it was noted. So coming and going costs
 * nothing here, and a queue whose bucket passes is looked at.
 */

const BUCKET_MS = 100

/** Queues, by number. */
export interface Limited<Item> {
  /** Adds those whose deadline is before a moment; returns the earliest deadline of the others. */
  findDue(queue: number, untilMs: number, due: Item[]): number
}

export class WaitLimits<Item> {
  readonly #queues: Limited<Item>
  readonly #buckets = new Map<number, number[]>()
  /** By queue, the bucket in which it is looked at next. */
  readonly #bucketOf: (number | undefined)[] = []
  #next = Number.POSITIVE_INFINITY

  constructor(queues: Limited<Item>) {
    this.#queues = queues
  }

  /** A ticket with this deadline has come to a queue. */
  note(queue: number, deadlineMs: number): void {
    if (deadlineMs === Number.POSITIVE_INFINITY) return
    const bucket = Math.floor(deadlineMs / BUCKET_MS)
    const noted = this.#bucketOf[queue]
    if (noted !== undefined && noted <= bucket) return
    this.#bucketOf[queue] = bucket
    const queues = this.#buckets.get(bucket)
    if (queues === undefined) this.#buckets.set(bucket, [queue])
    else queues.push(queue)
    this.#next = Math.min(this.#next, bucket)
  }

  /** Tickets whose bucket has wholly passed; the caller takes them out of their queues. */
  due(nowMs: number): Item[] {
    const until = Math.floor(nowMs / BUCKET_MS)
    if (this.#next >= until) return []
    const due: Item[] = []
    for (const bucket of [...this.#buckets.keys()].sort((a, b) => a - b)) {
      if (bucket >= until) break
      const queues = this.#buckets.get(bucket) ?? []
      this.#buckets.delete(bucket)
      for (const queue of queues) {
        // Meanwhile noted earlier, and so looked at already.
        if (this.#bucketOf[queue] !== bucket) continue
        this.#bucketOf[queue] = undefined
        this.note(queue, this.#queues.findDue(queue, until * BUCKET_MS, due))
      }
    }
    // There may be more of them than a call takes arguments.
    this.#next = Number.POSITIVE_INFINITY
    for (const bucket of this.#buckets.keys()) this.#next = Math.min(this.#next, bucket)
    return due
  }
}
