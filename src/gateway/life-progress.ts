/** How far a request is: what the ledger keeps of it while it runs, and when it happened. */
import type { ServiceClass } from '../base/index.ts'
import type { Progress } from '../meter/index.ts'
import type { LifeOptions } from './life-types.ts'

/** Times are monotonic, milliseconds. */
export class LifeProgress implements Progress {
  engineId = ''
  servedClass: ServiceClass
  queueMs = 0
  engineMs = 0
  ttftMs: number | null = null
  inputTokens = 0
  cachedTokens = 0
  outputTokens = 0
  dispatchedAtMs: number | undefined = undefined
  firstContentAtMs: number | undefined = undefined
  lastContentAtMs = 0
  #reportedTokens = 0

  constructor(servedClass: ServiceClass) {
    this.servedClass = servedClass
  }

  dispatched(engineId: string, nowMs: number): void {
    this.dispatchedAtMs = nowMs
    this.engineId = engineId
  }

  /**
   * Notes that content came.
   * @param frames events with content so far
   * @returns true the first time
   */
  received(frames: number, nowMs: number, options: LifeOptions): boolean {
    this.lastContentAtMs = nowMs
    this.outputTokens = frames
    if (this.firstContentAtMs !== undefined) return false
    this.firstContentAtMs = nowMs
    this.ttftMs = nowMs - options.arrivedMonotonicMs
    this.inputTokens = options.request.estimatedInputTokens
    return true
  }

  /** True where tokens have come since this was asked last. */
  isNews(): boolean {
    if (this.outputTokens === this.#reportedTokens) return false
    this.#reportedTokens = this.outputTokens
    this.engineMs = Math.round(this.lastContentAtMs - (this.dispatchedAtMs ?? 0))
    return true
  }
}
