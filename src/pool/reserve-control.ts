/**
 * How many sequences of an engine are kept from background work. A state machine: it is told what
 * happened and what time it is, and answers with a number and the reason; no I/O, no clock.
 */
import { TTFT_PROMISE_MS } from '../base/index.ts'
import { RecentSamples } from './windows.ts'

export interface ReserveOptions {
  /** Promised time to first token of interactive requests, milliseconds. */
  promiseMs: number
  /** Share of capacity up to which background work is admitted. */
  target: number
  /**
   * True where background work stands aside inside the engine by itself, step by step: then no
   * place needs to be kept free beforehand.
   */
  yieldsBySteps: boolean
}

export const defaultReserveOptions: ReserveOptions = {
  promiseMs: TTFT_PROMISE_MS,
  target: 0.95,
  yieldsBySteps: false,
}

/** What an engine looks like at the moment. */
export interface ReserveReading {
  /** Sequences that may be in flight. */
  cap: number
  /** Background sequences in flight. */
  backgroundInFlight: number
  /**
   * Those of them that take a place from interactive work; all where absent. Others stand aside on
   * spare sequences, and whatever interactive work waits for, it is not they.
   */
  inTheWay?: number
  /**
   * Places that interactive work has needed at once lately. So many are reserved where background
   * work does not stand aside, as nobody else could give them in time.
   */
  placesNeeded: number
  /** Longest wait so far among interactive requests that could run here; 0 where none waits. */
  interactiveWaitMs: number
  /** Mean time between tokens of interactive requests, where it is longer than promised. */
  slowPace?: { tokenGapMs: number; promisedMs: number } | undefined
}

export interface ReserveState {
  /** Sequences of the cap that background work never has; 0 to the cap. */
  reserve: number
  /** Why it is what it is, a sentence. */
  reason: string
  /** Moment of the last change on the caller's clock, milliseconds. */
  changedAtMs: number
}

/** Recent past that first tokens are judged by. */
const SPAN_MS = 30_000
const SAMPLES_MAX = 256
/** Part of the promise at which the reserve grows, and below which it may shrink again. */
const GROW_AT = 0.5
const SHRINK_BELOW = 0.25
/** A wait is danger before it is a late first token: its prompt is still to be read. */
const WAIT_GROW_AT = 0.25
const GROW_EVERY_MS = 1000
/** The pace is known only from requests that have ended, so that it follows slowly. */
const PACE_EVERY_MS = 15_000
/** How long all must be well before the reserve shrinks by a step, and between two such steps. */
const CALM_MS = 10_000
const SHRINK_EVERY_MS = 5000
/** A step, as a part of the cap. */
const GROW_STEP = 1 / 16
const SHRINK_STEP = 1 / 32

export class ReserveControl {
  readonly #options: ReserveOptions
  readonly #delays = new RecentSamples(SAMPLES_MAX)
  #reserve: number | undefined
  #reason = ''
  #changedAtMs = 0
  #pressedAtMs = Number.NEGATIVE_INFINITY

  constructor(options: Partial<ReserveOptions> = {}) {
    this.#options = { ...defaultReserveOptions, ...options }
  }

  /**
   * An interactive request has its first token.
   * @param ttftMs since its arrival
   * @param ownMs what its own prompt takes on a free engine, which no reserve can shorten
   */
  firstToken(nowMs: number, ttftMs: number, ownMs = 0): void {
    this.#delays.add(nowMs, Math.max(0, ttftMs - ownMs))
  }

  /** Looks at the engine; to be called about once a second. */
  update(nowMs: number, reading: ReserveReading): ReserveState {
    const most = reading.cap === 1 ? 0 : reading.cap
    const least = Math.min(most, this.#least(reading))
    const before = this.#reserve
    if (before === undefined || before < least) {
      this.#set(nowMs, least, this.#leastReason(least, reading))
    } else if (before > most) {
      this.#set(nowMs, most, `The engine runs ${reading.cap} requests at once now.`)
    }
    const delayMs = this.#delays.percentiles(nowMs, SPAN_MS).p99 ?? 0
    const danger = this.#danger(delayMs, reading.interactiveWaitMs)
    const { backgroundInFlight, inTheWay = backgroundInFlight, slowPace } = reading
    if (danger !== undefined) this.#grow(nowMs, reading, most, danger, inTheWay, GROW_EVERY_MS)
    else if (slowPace !== undefined) this.#slow(nowMs, reading, most, slowPace)
    else this.#shrink(nowMs, reading, least, delayMs)
    return this.state
  }

  get state(): ReserveState {
    const reserve = this.#reserve ?? 0
    return { reserve, reason: this.#reason, changedAtMs: this.#changedAtMs }
  }

  #least({ cap, placesNeeded }: ReserveReading): number {
    if (this.#options.yieldsBySteps) return 0
    return Math.max(1, placesNeeded, this.#beyondTarget(cap))
  }

  #beyondTarget(cap: number): number {
    return Math.round((1 - this.#options.target) * cap)
  }

  #leastReason(least: number, { cap, placesNeeded }: ReserveReading): string {
    if (this.#options.yieldsBySteps) return 'Background work stands aside inside the engine.'
    if (least === 0) return 'The engine runs one request at a time, so no place can be kept free.'
    if (placesNeeded > this.#beyondTarget(cap)) {
      return `Interactive work has needed ${placesNeeded} of ${cap} places at once.`
    }
    const target = Math.round(this.#options.target * 100)
    return `Background work fills the engine up to ${target} %.`
  }

  #danger(delayMs: number, waitMs: number): string | undefined {
    const { promiseMs } = this.#options
    if (waitMs > WAIT_GROW_AT * promiseMs) {
      return `An interactive request has waited for ${Math.round(waitMs)} ms.`
    }
    if (delayMs <= GROW_AT * promiseMs) return undefined
    return `First tokens came after up to ${Math.round(delayMs)} ms of ${promiseMs} promised.`
  }

  /** Streams that share steps with background work are slowed by all of it, wherever it stands. */
  #slow(
    nowMs: number,
    reading: ReserveReading,
    most: number,
    { tokenGapMs, promisedMs }: NonNullable<ReserveReading['slowPace']>,
  ): void {
    const [is, promised] = [tokenGapMs, promisedMs].map(Math.round)
    const danger = `Tokens came every ${is} ms, and ${promised} ms are promised.`
    this.#grow(nowMs, reading, most, danger, reading.backgroundInFlight, PACE_EVERY_MS)
  }

  #grow(
    nowMs: number,
    { cap, backgroundInFlight }: ReserveReading,
    most: number,
    danger: string,
    toBlame: number,
    everyMs: number,
  ): void {
    this.#pressedAtMs = nowMs
    const { reserve } = this.state
    // More helps only once what is reserved has come free, and only against background work.
    const isInForce = backgroundInFlight <= cap - reserve
    if (reserve >= most || !isInForce || toBlame === 0) return
    if (nowMs - this.#changedAtMs < everyMs) return
    const step = Math.max(1, Math.ceil(GROW_STEP * cap))
    this.#set(nowMs, Math.min(most, reserve + step), danger)
  }

  #shrink(nowMs: number, reading: ReserveReading, least: number, delayMs: number): void {
    const { reserve } = this.state
    if (delayMs > SHRINK_BELOW * this.#options.promiseMs) this.#pressedAtMs = nowMs
    if (reserve <= least || nowMs - this.#pressedAtMs < CALM_MS) return
    if (nowMs - this.#changedAtMs < SHRINK_EVERY_MS) return
    const step = Math.max(1, Math.floor(SHRINK_STEP * reading.cap))
    const next = Math.max(least, reserve - step)
    const calm = `First tokens have been quick for ${CALM_MS / 1000} s.`
    this.#set(nowMs, next, next === least ? this.#leastReason(least, reading) : calm)
  }

  #set(nowMs: number, reserve: number, reason: string): void {
    this.#reserve = reserve
    this.#reason = reason
    this.#changedAtMs = nowMs
  }
}
