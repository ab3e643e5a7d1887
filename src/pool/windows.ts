/** Sums and samples over the recent past, in fixed memory. */

/** A sum over the last `count` buckets of `stepMs` each. */
export class RollingSum {
  readonly stepMs: number
  readonly #values: Float64Array
  #head = 0

  constructor(stepMs: number, count: number) {
    this.stepMs = stepMs
    this.#values = new Float64Array(count)
  }

  add(nowMs: number, value: number): void {
    this.#advance(nowMs)
    const at = this.#head % this.#values.length
    this.#values[at] = (this.#values[at] as number) + value
  }

  /** Sum over the last `spanMs`, the bucket in progress included. */
  sum(nowMs: number, spanMs: number): number {
    this.#advance(nowMs)
    const steps = Math.min(this.#values.length, Math.ceil(spanMs / this.stepMs))
    let total = 0
    for (let i = 0; i < steps; i++) total += this.#at(this.#head - i)
    return total
  }

  /**
   * Per second, counted from the first bucket of the last `spanMs` that holds anything, so that
   * what has just begun is not taken for slow; 0 where nothing happened.
   */
  rate(nowMs: number, spanMs: number): number {
    this.#advance(nowMs)
    const steps = Math.min(this.#values.length, Math.ceil(spanMs / this.stepMs))
    let total = 0
    let first = this.#head
    for (let step = this.#head; step > this.#head - steps; step--) {
      if (this.#at(step) === 0) continue
      total += this.#at(step)
      first = step
    }
    return (total * 1000) / Math.max(this.stepMs, nowMs - first * this.stepMs)
  }

  /** The last `count` complete buckets, oldest first. */
  series(nowMs: number, count: number): number[] {
    this.#advance(nowMs)
    return Array.from({ length: count }, (_, i) => this.#at(this.#head - count + i))
  }

  #at(step: number): number {
    return step < 0 ? 0 : (this.#values[step % this.#values.length] as number)
  }

  #advance(nowMs: number): void {
    const step = Math.floor(nowMs / this.stepMs)
    if (step <= this.#head) return
    if (step - this.#head >= this.#values.length) this.#values.fill(0)
    else for (let i = this.#head + 1; i <= step; i++) this.#values[i % this.#values.length] = 0
    this.#head = step
  }
}

/** The last samples of a duration, at most `capacity`, none older than asked for. */
export class RecentSamples {
  readonly #values: Float64Array
  readonly #times: Float64Array
  #count = 0

  constructor(capacity: number) {
    this.#values = new Float64Array(capacity)
    this.#times = new Float64Array(capacity)
  }

  add(nowMs: number, value: number): void {
    const at = this.#count++ % this.#values.length
    this.#values[at] = value
    this.#times[at] = nowMs
  }

  /** Nearest-rank quantile of the samples of the last `spanMs`; null where there are none. */
  quantile(nowMs: number, spanMs: number, share: number): { value: number | null; n: number } {
    const recent = this.#recent(nowMs, spanMs)
    const value = recent[Math.max(0, Math.ceil(share * recent.length) - 1)] ?? null
    return { value, n: recent.length }
  }

  /** Percentiles of the samples of the last `spanMs`; null where there are none. */
  percentiles(
    nowMs: number,
    spanMs: number,
  ): { p50: number | null; p99: number | null; n: number } {
    const recent = this.#recent(nowMs, spanMs)
    const rank = (p: number) => recent[Math.max(0, Math.ceil(p * recent.length) - 1)] ?? null
    return { p50: rank(0.5), p99: rank(0.99), n: recent.length }
  }

  /** Ascending. */
  #recent(nowMs: number, spanMs: number): number[] {
    const recent: number[] = []
    const held = Math.min(this.#count, this.#values.length)
    for (let i = 0; i < held; i++) {
      if (nowMs - (this.#times[i] as number) <= spanMs) recent.push(this.#values[i] as number)
    }
    return recent.sort((a, b) => a - b)
  }
}
