/** Lines of batches as their runner holds them, those included that wait for a guard first. */
import { toGristmillError } from '../base/index.ts'
import type { LineEnd, LineRequest, RunningLine } from './line.ts'
import type { RequestLife } from './request-life.ts'

export function runningLine(life: RequestLife): RunningLine {
  return {
    get isWaiting() {
      return life.isWaiting
    },
    hurry: () => life.hurry(),
    cut: () => life.clientGone(),
  }
}

const NOTHING: LineEnd = {
  answer: null,
  error: null,
  usage: { inputTokens: 0, cachedTokens: 0, outputTokens: 0 },
}

/** A line that begins once a guard has let it pass, or a budget has room for it. */
export class LaterLine implements RunningLine {
  readonly #line: LineRequest
  readonly #fate: { isOver: boolean }
  #running: RunningLine | undefined
  #isHurried = false

  /**
   * @param started undefined where it was over before it began
   * @param fate told to whoever starts it
   */
  constructor(
    line: LineRequest,
    started: Promise<RequestLife | undefined>,
    fate: { isOver: boolean },
  ) {
    this.#line = line
    this.#fate = fate
    started
      .then((life) => {
        if (life === undefined) return
        this.#running = runningLine(life)
        if (this.#isHurried) this.#running.hurry()
      })
      .catch((error: unknown) => this.#end({ ...NOTHING, error: toGristmillError(error) }))
  }

  get isWaiting(): boolean {
    return this.#running?.isWaiting ?? !this.#fate.isOver
  }

  hurry(): void {
    this.#isHurried = true
    this.#running?.hurry()
  }

  cut(): void {
    if (this.#running !== undefined) this.#running.cut()
    else this.#end(NOTHING)
  }

  #end(end: LineEnd): void {
    if (this.#fate.isOver) return
    this.#fate.isOver = true
    void this.#line.ended(end)
  }
}
