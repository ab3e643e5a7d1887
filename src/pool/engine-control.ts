/**
 * What the scheduler may use of one engine: its cap and the reserve of background work, both kept
 * by what is seen of the engine, once a second. Joins the two state machines; no I/O, no clock.
 */
import { promisedTokenGapMs } from '../base/index.ts'
import type { EngineLoad, EngineProfile, Tokens } from '../engine/index.ts'
import { CapControl, type CapState, type EngineSignals } from './cap-control.ts'
import { ReserveControl, type ReserveState } from './reserve-control.ts'
import { RecentSamples } from './windows.ts'

/** Share of requests for which the pace is promised. */
const PACE_SHARE = 0.95
const GAP_SPAN_MS = 30_000
const GAP_SAMPLES_MAX = 256
/** A percentile of fewer requests is chance. */
const GAPS_LEAST = 20
/** Means over fewer tokens say more of the first than of the pace. */
const GAP_TOKENS_LEAST = 8

/** What an engine was doing when it was looked at. */
export interface EngineSeen {
  inFlight: number
  backgroundInFlight: number
  /** Its part of the places that interactive work of the pool has needed at once. */
  placesNeeded: number
  /** Longest wait so far among interactive requests that could run here, milliseconds. */
  interactiveWaitMs: number
}

/** An interactive request that has ended. */
export interface EndedStream {
  firstTokenAtMs: number | undefined
  lastTokenAtMs: number
  outputTokens: number
}

export class EngineControl {
  readonly #profile: EngineProfile
  readonly #cap: CapControl
  readonly #reserve: ReserveControl
  readonly #gaps = new RecentSamples(GAP_SAMPLES_MAX)
  #signals: EngineSignals | null = null
  #units = 0
  #allowed: number | undefined
  /** Promised mean time between tokens, p95 over interactive requests, milliseconds. */
  readonly tokenGapMsMax: number
  /** What the engine has worked through for anybody so far. */
  readonly tokens: Tokens = { input: 0, cached: 0, output: 0 }

  constructor(profile: EngineProfile, nowMs: number) {
    this.#profile = profile
    this.tokenGapMsMax = promisedTokenGapMs(profile.tokenGapMs)
    this.#cap = new CapControl(
      {
        start: profile.cap,
        most: profile.capMost,
        tokenGapMsMax: this.tokenGapMsMax,
        hasSignals: profile.tellsLoad,
      },
      profile.capReason,
    )
    this.#reserve = new ReserveControl({ yieldsBySteps: profile.yieldsBySteps })
    const unused = { backgroundInFlight: 0, placesNeeded: 0, interactiveWaitMs: 0 }
    this.#reserve.update(nowMs, { cap: profile.cap, ...unused })
  }

  get cap(): CapState {
    const { state } = this.#cap
    const allowed = this.#allowed
    if (allowed === undefined) return state
    const withReserve = Math.min(this.#profile.capMost, allowed + this.#reserve.state.reserve)
    const cap = Math.max(state.cap, allowed, withReserve)
    return { ...state, cap, reason: 'It is being calibrated.' }
  }

  /**
   * A calibration is background work, which alone it bounds: interactive work keeps its places, as
   * far as there are any beside those that are to be measured.
   */
  get reserve(): ReserveState {
    const { state } = this.#reserve
    if (this.#allowed === undefined) return state
    const reserve = this.cap.cap - this.#allowed
    return { ...state, reserve, reason: 'It is being calibrated.' }
  }

  /** True where the engine still is what this control began with. */
  fits({ cap, capMost, capReason, tokenGapMs, tellsLoad }: EngineProfile): boolean {
    const own = this.#profile
    return (
      own.cap === cap &&
      own.capMost === capMost &&
      own.capReason === capReason &&
      own.tokenGapMs === tokenGapMs &&
      own.tellsLoad === tellsLoad
    )
  }

  noteLoad(nowMs: number, { waiting, kvUsage, preemptions }: EngineLoad): void {
    this.#signals = { atMs: nowMs, waiting, kvUsage, preemptions }
  }

  /** Sets how many background requests run while a calibration does; undefined ends that. */
  allow(concurrency: number | undefined): void {
    this.#allowed = concurrency
  }

  /** Service units that the engine has done for anybody. */
  served(units: number): void {
    this.#units += units
  }

  /**
   * An interactive request has its first token.
   * @param inputTokens uncached; what reading them takes is no delay of ours
   */
  firstToken(nowMs: number, ttftMs: number, inputTokens: number): void {
    const { capacityUnitsPerS } = this.#profile
    const ownMs = capacityUnitsPerS === null ? 0 : (1000 * inputTokens) / capacityUnitsPerS
    this.#reserve.firstToken(nowMs, ttftMs, ownMs)
  }

  /** An interactive request has ended; its pace counts where it was streamed and long enough. */
  ended(nowMs: number, { firstTokenAtMs = nowMs, lastTokenAtMs, outputTokens }: EndedStream): void {
    if (outputTokens < GAP_TOKENS_LEAST || lastTokenAtMs <= firstTokenAtMs) return
    this.#gaps.add(nowMs, (lastTokenAtMs - firstTokenAtMs) / (outputTokens - 1))
  }

  /**
   * p95 of the mean time between tokens of recent requests, less two standard deviations of the
   * share of requests above it: of few requests one in twenty is chance. Null where none.
   */
  #tokenGapMs(nowMs: number): number | null {
    const { n } = this.#gaps.quantile(nowMs, GAP_SPAN_MS, PACE_SHARE)
    if (n < GAPS_LEAST) return null
    const chance = 2 * Math.sqrt((PACE_SHARE * (1 - PACE_SHARE)) / n)
    return this.#gaps.quantile(nowMs, GAP_SPAN_MS, PACE_SHARE - chance).value
  }

  /** Looks at the engine. @returns true where cap or reserve changed */
  update(nowMs: number, seen: EngineSeen): boolean {
    const before = [this.cap.cap, this.reserve.reserve] as const
    const units = this.#units
    this.#units = 0
    const tokenGapMs = this.#tokenGapMs(nowMs)
    const { inFlight, backgroundInFlight, placesNeeded, interactiveWaitMs } = seen
    if (this.#allowed !== undefined) return false
    const { yieldsBySteps, spare } = this.#profile
    // Fewer places would cost people theirs, where fewer background streams do.
    const isShared = yieldsBySteps && backgroundInFlight > 0 && before[1] < before[0] - 1
    const { cap } = this.#cap.update(nowMs, {
      inFlight,
      units,
      tokenGapP95Ms: isShared ? null : tokenGapMs,
      signals: this.#signals,
    })
    const promisedMs = this.tokenGapMsMax
    const isSlow = isShared && tokenGapMs !== null && tokenGapMs > promisedMs
    const { reserve } = this.#reserve.update(nowMs, {
      cap,
      backgroundInFlight,
      inTheWay: Math.max(0, backgroundInFlight - (yieldsBySteps ? spare : 0)),
      placesNeeded,
      interactiveWaitMs,
      slowPace: isSlow ? { tokenGapMs, promisedMs } : undefined,
    })
    return before[0] !== cap || before[1] !== reserve
  }
}
