/**
 * Watches one engine: asks it again and again, takes it out after two failures in a row or one
 * refused connection, and takes it in again at its first good answer.
 */
import type { Clock, Random, Timer } from '../base/index.ts'
import type { EngineFailure } from './engine-failure.ts'
import type { Engine, EngineLoad, EngineProfile, EngineState } from './types.ts'

/** An engine that is away is asked at least so often. */
const AWAY_MS_MAX = 5000
const JITTER = 0.2
const PROBE_MS_MAX = 3000
const FAILURES_MAX = 2
const ERRORS_KEPT = 10_000
const LOAD_PERIOD_MS = 1000
const LOAD_MS_MAX = 900

export interface WatchOptions {
  clock: Clock
  random: Random
  /** Called at every change of state, reason or profile. */
  changed(watch: EngineWatch): void
  /** Called with what the engine tells of its load, about once a second. */
  loaded(engineId: string, load: EngineLoad): void
}

export class EngineWatch {
  readonly engine: Engine
  state: EngineState = 'starting'
  reason = 'It has not answered yet.'
  profile: EngineProfile
  readonly #options: WatchOptions
  /** True once its address is gone: it is drained for good, unless that comes back. */
  isLeaving = false
  #isDraining: boolean
  #failures = 0
  #errorsAtMs: number[] = []
  #timer: Timer | undefined
  #probe: AbortController | undefined
  #loadTimer: Timer | undefined
  #loadProbe: AbortController | undefined
  #isClosed = false

  /** @param profile what it told of itself when it was last asked */
  constructor(engine: Engine, profile: EngineProfile, draining: boolean, options: WatchOptions) {
    this.engine = engine
    this.profile = profile
    this.#isDraining = draining
    this.#options = options
  }

  /** True while it is to be given nothing new. */
  get isDraining(): boolean {
    return this.#isDraining
  }

  /** Asks now, then again and again. Resolves after the first answer or failure. */
  async start(): Promise<void> {
    await this.#ask()
  }

  /** A profile that was just read. */
  accept(profile: EngineProfile): void {
    this.#failures = 0
    const isSame = JSON.stringify(profile) === JSON.stringify(this.profile)
    this.profile = profile
    this.#become(this.#isDraining ? 'draining' : 'up', this.#upReason(), !isSame)
    this.#askLater()
    if (profile.tellsLoad) this.#loadTimer ??= this.#askLoadLater()
  }

  /** Its address is gone: it finishes what runs. */
  leave(): void {
    if (this.isLeaving) return
    this.isLeaving = true
    this.#drain(true)
  }

  /** Its address is there again. */
  back(draining: boolean): void {
    this.isLeaving = false
    this.#drain(draining)
  }

  /** Takes nothing new, or takes that back; one that leaves goes on to do so. */
  setDraining(draining: boolean): void {
    if (!this.isLeaving) this.#drain(draining)
  }

  #drain(draining: boolean): void {
    this.#isDraining = draining
    if (this.state === 'up' || this.state === 'draining') {
      this.#become(draining ? 'draining' : 'up', this.#upReason(), true)
    }
  }

  /** A request failed at the engine. */
  noteFailure(failure: EngineFailure): void {
    if (this.#isClosed) return
    this.#errorsAtMs.push(this.#options.clock.nowMs())
    if (this.#errorsAtMs.length > ERRORS_KEPT) this.#errorsAtMs.shift()
    if (failure.kind === 'unreachable') this.#down(failure.message)
    // A broken connection may be the engine's end or nothing at all: it is asked at once.
    if (failure.kind !== 'aborted') this.#askLater(0)
  }

  /** Failed requests in the last `spanMs`. */
  errorsSince(spanMs: number): number {
    const fromMs = this.#options.clock.nowMs() - spanMs
    return this.#errorsAtMs.filter((atMs) => atMs >= fromMs).length
  }

  close(): void {
    this.#isClosed = true
    this.#timer?.cancel()
    this.#probe?.abort()
    this.#loadTimer?.cancel()
    this.#loadProbe?.abort()
  }

  async #ask(): Promise<void> {
    if (this.#probe !== undefined) return
    const probe = new AbortController()
    this.#probe = probe
    const late = new Error(`no answer within ${PROBE_MS_MAX} ms`)
    const timer = this.#options.clock.after(PROBE_MS_MAX, () => probe.abort(late))
    try {
      const profile = await this.engine.probe(probe.signal)
      this.#probe = undefined
      if (!this.#isClosed) this.accept(profile)
    } catch (error) {
      this.#probe = undefined
      if (this.#isClosed) return
      const isRefused = (error as NodeJS.ErrnoException).code === 'ECONNREFUSED'
      const reason = reasonOf(error)
      if (++this.#failures >= FAILURES_MAX || isRefused || this.state === 'starting') {
        this.#down(reason)
      }
      this.#askLater()
    } finally {
      timer.cancel()
    }
  }

  #askLater(delayMs?: number): void {
    if (this.#isClosed) return
    const { clock, random } = this.#options
    const { probePeriodMs } = this.engine
    const plainMs = this.state === 'down' ? Math.min(AWAY_MS_MAX, probePeriodMs) : probePeriodMs
    const periodMs = plainMs * (1 + JITTER * (2 * random.next() - 1))
    this.#timer?.cancel()
    this.#timer = clock.after(delayMs ?? periodMs, () => void this.#ask())
  }

  #askLoadLater(): Timer {
    return this.#options.clock.after(LOAD_PERIOD_MS, () => void this.#askLoad())
  }

  /** No answer is no news: whoever acts on the load sees that the last one has grown old. */
  async #askLoad(): Promise<void> {
    const probe = new AbortController()
    this.#loadProbe = probe
    const late = new Error(`no answer within ${LOAD_MS_MAX} ms`)
    const timer = this.#options.clock.after(LOAD_MS_MAX, () => probe.abort(late))
    const load = await this.engine.load(probe.signal).catch(() => null)
    timer.cancel()
    if (this.#isClosed) return
    if (load !== null) this.#options.loaded(this.engine.id, load)
    this.#loadTimer = this.profile.tellsLoad ? this.#askLoadLater() : undefined
  }

  #down(why: string): void {
    this.#become('down', `It does not answer: ${why}.`, false)
  }

  #become(state: EngineState, reason: string, isNews: boolean): void {
    if (this.state === state && this.reason === reason && !isNews) return
    this.state = state
    this.reason = reason
    this.#options.changed(this)
  }

  #upReason(): string {
    if (this.isLeaving) return 'Its name does not lead there any more: it finishes what runs.'
    return this.#isDraining ? 'It finishes what runs and takes nothing new.' : 'It answers.'
  }
}

function reasonOf(error: unknown): string {
  const { code, message } = error as NodeJS.ErrnoException
  if (code === 'ECONNREFUSED') return 'nothing listens at its address'
  return message ?? String(error)
}
