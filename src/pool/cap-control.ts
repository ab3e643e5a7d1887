/**
 * How many requests are kept in flight at an engine, between one and a bound: less at once when the
 * engine suffers, more while more gets more work done. A state machine: it is told what was seen
 * and what time it is; no I/O, no clock. Never fed with the duration of whole requests, because
 * how long an answer is says nothing about how busy an engine is.
 */
import type { EngineLoad } from '../engine/index.ts'

export interface CapOptions {
  /** Where it starts: the calibrated knee, or what the engine says of itself. */
  start: number
  /** Never more than this. */
  most: number
  /** Promised mean time between tokens, p95 of requests, milliseconds. */
  tokenGapMsMax: number
  /** True where the engine is expected to tell of its queue and memory. */
  hasSignals: boolean
}

/** What an engine tells of itself, and when. */
export interface EngineSignals extends Omit<EngineLoad, 'running'> {
  /** Moment of the answer on the caller's clock, milliseconds. */
  atMs: number
}

export interface CapReading {
  inFlight: number
  /** Service units since the reading before. */
  units: number
  /** p95 of the mean time between tokens of recent interactive requests; null where none. */
  tokenGapP95Ms: number | null
  /** The newest signals, however old; null where none ever came. */
  signals: EngineSignals | null
}

export interface CapState {
  cap: number
  /** Why it is what it is, a sentence. */
  reason: string
  /** Moment of the last change on the caller's clock, milliseconds. */
  changedAtMs: number
}

const DOWN_FACTOR = 0.9
const KV_MAX = 0.9
/** Signals older than this say nothing about now. */
const STALE_MS = 5000
/** An engine in the dark loses a step of its cap every so often, down to half of its start. */
const DARK_EVERY_MS = 10_000
const DARK_SHARE = 0.5
/** What a lower cap does is seen only after what runs has thinned out. */
const DOWN_EVERY_MS = 3000
/** The pace is known only from requests that have ended, so a step is judged after this long. */
const PACE_EVERY_MS = 30_000
/** A step down that makes the pace no better than this was none that helps. */
const PACE_GAIN = 0.95
/** Up to the start, which calibration vouches for, it returns a step at a time. */
const RETURN_EVERY_MS = 3000
/** Above the start a cap is judged by the work done while it was full for this long. */
const TRIAL_MS = 10_000
/** What one more request must add, as a part of what it would add if the engine never tired. */
const GAIN_SHARE = 0.25
/** A cap that did not pay is not tried again for this long. */
const RETRY_MS = 300_000

/** Between two looks so far apart the engine was away, or calibrated. */
const PAUSE_MS = 5000

/** Work done at a cap while it was full. */
interface Trial {
  ms: number
  units: number
}

export class CapControl {
  readonly #options: CapOptions
  #cap: number
  #reason: string
  #changedAtMs = Number.NEGATIVE_INFINITY
  #lastAtMs: number | undefined
  #waitedBefore = false
  #signalsAtMs = Number.NEGATIVE_INFINITY
  #preemptions: number | null = null
  #trial: Trial = { ms: 0, units: 0 }
  /** Work per second at the cap below, while one above the start is tried. */
  #below: number | undefined
  /** The pace when the cap was last lowered for its sake. */
  #paceBefore: number | undefined
  #paceBarredUntilMs = Number.NEGATIVE_INFINITY
  #barredUntilMs = Number.NEGATIVE_INFINITY
  /** What the cap was when the engine fell silent; 0 once it was lowered for another reason. */
  #capBeforeDark = 0

  /** @param reason where the start comes from, a sentence */
  constructor(options: CapOptions, reason: string) {
    this.#options = options
    this.#cap = Math.max(1, Math.min(options.start, options.most))
    this.#reason = reason
  }

  get state(): CapState {
    return { cap: this.#cap, reason: this.#reason, changedAtMs: this.#changedAtMs }
  }

  /** Looks at the engine; to be called about once a second. */
  update(nowMs: number, reading: CapReading): CapState {
    const elapsedMs = nowMs - (this.#lastAtMs ?? nowMs)
    this.#lastAtMs = nowMs
    if (elapsedMs > PAUSE_MS) {
      this.#forgetTrial()
      return this.state
    }
    const told = reading.signals && this.#told(reading.signals)
    if (told) this.#down(nowMs, DOWN_EVERY_MS, 1, told)
    else if (this.#isPaceBroken(nowMs, reading)) this.#downForPace(nowMs, reading)
    else if (this.#isDark(nowMs, reading)) this.#dim(nowMs)
    else this.#up(nowMs, elapsedMs, reading)
    return this.state
  }

  /** True where tokens come too slowly and fewer at once may still help. */
  #isPaceBroken(nowMs: number, { tokenGapP95Ms }: CapReading): boolean {
    if (tokenGapP95Ms === null || tokenGapP95Ms <= this.#options.tokenGapMsMax) {
      this.#paceBefore = undefined
      return false
    }
    return nowMs >= this.#paceBarredUntilMs
  }

  /** One step; where the step before made nothing better, the cap is not to blame and returns. */
  #downForPace(nowMs: number, { tokenGapP95Ms }: CapReading): void {
    const gapMs = tokenGapP95Ms ?? 0
    if (nowMs - this.#changedAtMs < PACE_EVERY_MS) return
    if (this.#paceBefore !== undefined && gapMs > PACE_GAIN * this.#paceBefore) {
      this.#paceBefore = undefined
      this.#paceBarredUntilMs = nowMs + RETRY_MS
      return
    }
    this.#paceBefore = gapMs
    const [is, most] = [gapMs, this.#options.tokenGapMsMax].map(Math.round)
    this.#down(nowMs, 0, 1, `Tokens came every ${is} ms, and ${most} ms are promised.`)
  }

  /** What the engine itself complains of; each of its answers counts once. */
  #told(signals: EngineSignals): string | undefined {
    if (signals.atMs <= this.#signalsAtMs) return undefined
    this.#signalsAtMs = signals.atMs
    const before = this.#preemptions
    this.#preemptions = signals.preemptions
    const waitedBefore = this.#waitedBefore
    const waiting = signals.waiting ?? 0
    this.#waitedBefore = waiting > 0
    // A counter that has fallen belongs to an engine that was started anew.
    if (before !== null && signals.preemptions !== null && signals.preemptions > before) {
      return `The engine threw out ${signals.preemptions - before} requests to make room.`
    }
    if (signals.kvUsage !== null && signals.kvUsage > KV_MAX) {
      return `Its memory for prompts is ${Math.round(signals.kvUsage * 100)} % full.`
    }
    // One answer may catch a request between its queue and its batch; two in a row do not.
    return waiting > 0 && waitedBefore
      ? `${waiting} requests wait inside the engine, out of the scheduler's reach.`
      : undefined
  }

  #isDark(nowMs: number, { signals }: CapReading): boolean {
    return this.#options.hasSignals && (signals === null || nowMs - signals.atMs > STALE_MS)
  }

  #dim(nowMs: number): void {
    this.#forgetTrial()
    const floor = Math.max(1, Math.ceil(this.#options.start * DARK_SHARE))
    if (this.#cap <= floor) return
    if (this.#changedAtMs === Number.NEGATIVE_INFINITY) this.#changedAtMs = nowMs
    const reason = 'The engine told nothing of its queue and memory for a while.'
    const before = Math.max(this.#cap, this.#capBeforeDark)
    this.#down(nowMs, DARK_EVERY_MS, floor, reason)
    this.#capBeforeDark = before
  }

  #down(nowMs: number, everyMs: number, floor: number, reason: string): void {
    this.#forgetTrial()
    if (nowMs - this.#changedAtMs < everyMs || this.#cap <= floor) return
    const next = Math.min(this.#cap - 1, Math.floor(this.#cap * DOWN_FACTOR))
    this.#set(nowMs, Math.max(floor, next), reason)
    this.#capBeforeDark = 0
    this.#barredUntilMs = nowMs + RETRY_MS
  }

  #up(nowMs: number, elapsedMs: number, reading: CapReading): void {
    const isFull = reading.inFlight >= this.#cap
    const { start, most } = this.#options
    if (this.#cap < Math.min(start, most)) {
      // Silence says nothing against the places that it took.
      const mayReturn = isFull || this.#cap < this.#capBeforeDark
      if (!mayReturn || nowMs - this.#changedAtMs < RETURN_EVERY_MS) return
      this.#set(nowMs, this.#cap + 1, 'All is well again, so it returns to what calibration found.')
      return
    }
    // Only work done with every place taken tells what the places are worth.
    if (!isFull) return
    this.#trial.ms += elapsedMs
    this.#trial.units += reading.units
    if (this.#trial.ms >= TRIAL_MS) this.#judge(nowMs, (1000 * this.#trial.units) / this.#trial.ms)
  }

  /** Ends a trial: one step back where the last step did not pay, else one more. */
  #judge(nowMs: number, unitsPerS: number): void {
    const { most } = this.#options
    const below = this.#below
    this.#forgetTrial()
    if (below !== undefined && unitsPerS < below * (1 + GAIN_SHARE / (this.#cap - 1))) {
      this.#barredUntilMs = nowMs + RETRY_MS
      this.#set(nowMs, this.#cap - 1, `${this.#cap} at once get no more done than one less.`)
    } else if (this.#cap < most && nowMs >= this.#barredUntilMs) {
      this.#below = unitsPerS
      this.#set(nowMs, this.#cap + 1, 'Every place was taken, and one more may get more done.')
    }
  }

  #forgetTrial(): void {
    this.#trial = { ms: 0, units: 0 }
    this.#below = undefined
  }

  #set(nowMs: number, cap: number, reason: string): void {
    this.#cap = cap
    this.#reason = reason
    this.#changedAtMs = nowMs
  }
}
