/**
 * With how many threads a step computes. ggml's threads wait for each other by spinning, many times
 * a step: with every core taken, one that loses its core to another program stops all of them for a
 * time slice. So all cores are used while that is quicker and one is left free while it is not,
 * which only trying tells. A state machine: it is told how long steps took; no I/O, no clock.
 */

export interface ThreadCounts {
  /** With a core left for other programs. */
  few: number
  /** All cores; the same number where there is nothing to choose. */
  all: number
}

/** Steps in a row that try the other number. */
const TRIAL_STEPS = 4
/** A step so many times as long as usual ends a trial: it has shown enough, and people wait. */
const TRIAL_SLOW = 1.5
/** Between two trials; three times as long after each in vain, up to the second, milliseconds. */
const PAUSE_MS = 2000
const PAUSE_MS_MAX = 60_000
/** When steps take so many times what is expected, the other number is tried sooner. */
const ALARM = 1.4
const ALARM_PAUSE = 1 / 8
/** All cores must be quicker by this, as other programs lose what they take. */
const GAIN = 0.9
/** Weight of the newest step in what is usual. */
const SMOOTHING = 0.15

export class ThreadChoice {
  readonly #counts: ThreadCounts
  #current: 'few' | 'all' = 'all'
  /** What steps with the current number take, as a part of what is expected of them. */
  #usual = 1
  #trial: { steps: number; slowness: number } | undefined
  #pauseMs = PAUSE_MS
  #endedAtMs: number | undefined

  constructor(counts: ThreadCounts) {
    this.#counts = counts
  }

  /** The number of threads of a step that begins now. */
  next(nowMs: number): number {
    const { few, all } = this.#counts
    if (few !== all && !this.#trial && this.#isDue(nowMs)) this.#trial = { steps: 0, slowness: 0 }
    return this.#counts[this.#inUse]
  }

  /** True while the other number is tried: what steps take then is not what is usual. */
  get isTrying(): boolean {
    return this.#trial !== undefined
  }

  /**
   * The step has ended.
   * @param slowness what it took, as a part of what is expected of a step like it
   */
  note(nowMs: number, slowness: number): void {
    const trial = this.#trial
    if (!trial) {
      this.#usual += SMOOTHING * (slowness - this.#usual)
      return
    }
    trial.steps++
    trial.slowness += slowness
    const isSlow = slowness > TRIAL_SLOW * this.#usual
    if (trial.steps < TRIAL_STEPS && !isSlow) return
    this.#trial = undefined
    this.#endedAtMs = nowMs
    this.#judge(isSlow ? slowness : trial.slowness / trial.steps)
  }

  #judge(slowness: number): void {
    const least = this.#current === 'few' ? GAIN * this.#usual : this.#usual
    if (slowness < least) {
      this.#current = this.#other
      this.#usual = slowness
      this.#pauseMs = PAUSE_MS
    } else this.#pauseMs = Math.min(PAUSE_MS_MAX, 3 * this.#pauseMs)
  }

  get #other(): 'few' | 'all' {
    return this.#current === 'few' ? 'all' : 'few'
  }

  get #inUse(): 'few' | 'all' {
    return this.#trial ? this.#other : this.#current
  }

  #isDue(nowMs: number): boolean {
    this.#endedAtMs ??= nowMs
    const sinceMs = nowMs - this.#endedAtMs
    return sinceMs >= this.#pauseMs * (this.#usual > ALARM ? ALARM_PAUSE : 1)
  }
}
