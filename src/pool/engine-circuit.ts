/**
 * Whether an engine is to be sent work, by how it has answered: a circuit that opens when requests
 * fail, when it falls silent or far behind its own pace, and lets one request after another try it
 * again. A state machine: it is told what happened and what time it is; no I/O, no clock.
 *
 * The states are those of M. Nygard, Release It! (2007), "Circuit Breaker"; the growing time out
 * those of Envoy's outlier detection.
 */
import { PACED_LEAST, UsualPace } from './usual-pace.ts'
import { RollingSum } from './windows.ts'

export type CircuitState = 'closed' | 'open' | 'half-open'

const STEP_MS = 1000
const KEPT_STEPS = 60
/** Failures are a share of what ended in this time. */
const WINDOW_MS = 10_000
const FAILURES_LEAST = 3
const FAILED_SHARE = 0.3
/** So many in a row are enough, whatever went well before. */
const IN_A_ROW = 3
const OPEN_MS_FIRST = 1000
const OPEN_MS_MOST = 30_000
/** So many good answers close it again, as many slow ones keep it open. */
const PROBES = 2
/** After so long without opening, the next time out is a short one again. */
const FORGIVEN_AFTER_MS = 60_000
/** Silence that is long by any measure, and how many times the longest usual one is. */
const SILENT_MS_LEAST = 1500
const SILENT_FACTOR = 3
/** The usual longest silence is forgotten by this share with every second. */
const SILENCE_FADES = 0.005
/** How many times as long as usual a token takes of an outlier. */
const SLOW_FACTOR = 4
/** Where its peers are slower than usual too, it is one only if it is so many times as slow. */
const PEER_FACTOR = 2
/** Weight of one more request in the pace of the moment. */
const RECENT_WEIGHT = 0.34

/** How an engine answers at the moment. */
export interface Pace {
  /** Milliseconds per token. */
  ms: number
  /** How many times as long as usual that is, with as many requests there. */
  slowdown: number
}

export class EngineCircuit {
  state: CircuitState = 'closed'
  /** Why it is not closed, a sentence. */
  reason = ''
  /** True after a change of state, until somebody has heeded it. */
  isNews = false
  /** Requests there now. */
  running = 0
  /** Milliseconds per token by calibration, until more is known; 0: not calibrated. */
  calibratedMs = 0
  /** Requests that may be there while it is tried again: those that still were, and one. */
  places = 0
  readonly #good = new RollingSum(STEP_MS, KEPT_STEPS)
  readonly #failed = new RollingSum(STEP_MS, KEPT_STEPS)
  #failedInARow = 0
  #goodProbes = 0
  #slowProbes = 0
  #openings = 0
  #openUntilMs = 0
  #changedAtMs = Number.NEGATIVE_INFINITY
  #heardAtMs = 0
  /** When a sign of life was due at the earliest, when last looked at. */
  #dueAtMs = 0
  /** The same of answers that nobody waits for any more, since it was heard. */
  #owedAtMs = Number.POSITIVE_INFINITY
  #longestSilenceMs = 0
  readonly #usual = new UsualPace()
  readonly #recent: Pace = { ms: 0, slowdown: 1 }
  #paced = 0
  /** Of the best peer, when last looked at. */
  #peerSlowdown = 1

  /** Attempts that ended in the last `spanMs`, up to a minute. */
  attempts(nowMs: number, spanMs: number): number {
    return this.#good.sum(nowMs, spanMs) + this.#failed.sum(nowMs, spanMs)
  }

  /** True while one more request may be sent to try it. */
  get takesMore(): boolean {
    return this.state === 'closed' || (this.state === 'half-open' && this.running < this.places)
  }

  /** A request was sent there. @returns how many run there now */
  began(nowMs: number): number {
    if (this.running++ === 0) this.#listen(nowMs)
    return this.running
  }

  /** A request has left, however it ended. */
  left(): void {
    this.running--
  }

  /** The engine gave a sign of life. */
  heard(nowMs: number): void {
    const silenceMs = this.#silenceMs(nowMs)
    this.#listen(nowMs)
    if (this.state === 'closed' && silenceMs > this.#longestSilenceMs) {
      this.#longestSilenceMs = silenceMs
    }
  }

  /** A client has given up an answer that was due at this moment; a sign of life is due then. */
  owes(dueAtMs: number): void {
    this.#owedAtMs = Math.min(this.#owedAtMs, dueAtMs)
  }

  /**
   * @param paceMs how long the answer took for each of its tokens; null where it had none
   * @param runningAtBegin requests there when it was sent, itself among them
   */
  succeeded(nowMs: number, paceMs: number | null, runningAtBegin: number): void {
    this.#good.add(nowMs, 1)
    this.#failedInARow = 0
    const slowdown = paceMs === null ? 1 : this.#notePace(paceMs, runningAtBegin)
    if (this.state !== 'half-open') return
    if (slowdown > Math.max(SLOW_FACTOR, PEER_FACTOR * this.#peerSlowdown)) {
      if (++this.#slowProbes < PROBES) return
      this.#open(nowMs, 'It answers, but far more slowly than it used to.')
    } else if (++this.#goodProbes >= PROBES) this.#become('closed', nowMs, '')
  }

  failed(nowMs: number): void {
    this.#failed.add(nowMs, 1)
    this.#failedInARow++
    if (this.state === 'half-open') this.#open(nowMs, 'It was tried again and failed.')
    if (this.state !== 'closed') return
    const failed = this.#failed.sum(nowMs, WINDOW_MS)
    const isMuch =
      failed >= FAILURES_LEAST && failed >= FAILED_SHARE * this.attempts(nowMs, WINDOW_MS)
    if (isMuch || this.#failedInARow >= IN_A_ROW) {
      this.#open(nowMs, `${failed} requests failed there within ${WINDOW_MS / 1000} s.`)
    }
  }

  /**
   * Looks at what runs there.
   * @param dueAtMs when the first of what runs there has to give a sign of life
   * @param readMs what reading the prompts there takes at most, during which silence means nothing
   * @param runningPaceMs time per token of what streams there; null where too little does
   * @param peer recent pace of the best other engine of its models; null where none is known
   */
  look(
    nowMs: number,
    seen: { dueAtMs: number; readMs: number; runningPaceMs: number | null; peer: Pace | null },
  ): void {
    this.#longestSilenceMs *= 1 - SILENCE_FADES
    this.#peerSlowdown = seen.peer?.slowdown ?? 1
    this.#dueAtMs = Math.min(seen.dueAtMs, this.#owedAtMs)
    if (this.state === 'open' && nowMs >= this.#openUntilMs) {
      this.#goodProbes = this.#slowProbes = 0
      this.places = this.running + 1
      this.#become('half-open', nowMs, 'It is tried again, one request at a time.')
    }
    if (this.state === 'open' || this.running === 0) return
    const bearableMs = Math.max(SILENT_MS_LEAST, SILENT_FACTOR * this.#longestSilenceMs)
    if (this.#silenceMs(nowMs) > bearableMs + seen.readMs) {
      const silentMs = Math.round(nowMs - this.#heardAtMs)
      this.#open(nowMs, `It has been silent for ${silentMs} ms with work in hand.`)
      return
    }
    this.#compare(nowMs, seen.runningPaceMs ?? 0, seen.peer)
  }

  /**
   * How long a whole answer of so many tokens may take at most without being an outlier, its prompt
   * apart, milliseconds; as long as it likes while too little is known.
   */
  wholeMsMax(tokens: number): number {
    if (tokens === 0) return 0
    const usualMs = this.#usual.at(this.running) || this.calibratedMs
    return usualMs === 0 ? Number.POSITIVE_INFINITY : SLOW_FACTOR * usualMs * tokens
  }

  /** Pace of the last requests; null while too few have ended. */
  get pace(): Pace | null {
    return this.#paced < PACED_LEAST ? null : this.#recent
  }

  /** Silence counts from now. */
  #listen(nowMs: number): void {
    this.#heardAtMs = nowMs
    this.#owedAtMs = Number.POSITIVE_INFINITY
  }

  /** Silence that means something: what is not due yet is none. */
  #silenceMs(nowMs: number): number {
    return nowMs - Math.max(this.#heardAtMs, this.#dueAtMs)
  }

  #compare(nowMs: number, runningPaceMs: number, peer: Pace | null): void {
    const usualMs = this.#usual.at(this.running)
    if (peer === null || usualMs === 0) return
    const slowdown = Math.max(this.#recent.slowdown, runningPaceMs / usualMs)
    const ms = Math.max(this.#recent.ms, runningPaceMs)
    if (slowdown <= SLOW_FACTOR || slowdown <= PEER_FACTOR * peer.slowdown) return
    // One that is slow by its own measure and still no slower than the others is of use.
    if (ms <= PEER_FACTOR * peer.ms) return
    const times = slowdown.toFixed(1)
    this.#open(nowMs, `A token takes it ${Math.round(ms)} ms, ${times} times as long as usual.`)
  }

  /** @returns how many times as long as usual it took */
  #notePace(paceMs: number, runningAtBegin: number): number {
    // One that was sent first among many, or is the last of them to end, was not alone.
    const running = Math.max(this.running, runningAtBegin)
    const usualMs = this.#usual.at(running)
    const slowdown = usualMs > 0 ? paceMs / usualMs : 1
    const weight = this.#paced++ === 0 ? 1 : RECENT_WEIGHT
    this.#recent.ms += weight * (paceMs - this.#recent.ms)
    this.#recent.slowdown += weight * (slowdown - this.#recent.slowdown)
    // What is out of the usual does not become usual.
    if (this.state === 'closed' && slowdown <= SLOW_FACTOR) this.#usual.note(running, paceMs)
    return slowdown
  }

  #open(nowMs: number, reason: string): void {
    const isForgiven = nowMs - this.#changedAtMs > FORGIVEN_AFTER_MS && this.state === 'closed'
    this.#openings = isForgiven ? 1 : this.#openings + 1
    const openMs = Math.min(OPEN_MS_MOST, OPEN_MS_FIRST * 2 ** (this.#openings - 1))
    this.#openUntilMs = nowMs + openMs
    this.#become('open', nowMs, reason)
  }

  #become(state: CircuitState, nowMs: number, reason: string): void {
    this.state = state
    this.isNews = true
    this.reason = reason
    this.#changedAtMs = nowMs
    this.#failedInARow = 0
    this.#listen(nowMs)
    if (state === 'closed') {
      this.#recent.slowdown = 1
      this.#recent.ms = this.#usual.at(this.running)
    }
  }
}
