/** Lines of batches as their runner holds them, those included that wait for a guard first. */
import { toGristmillError } from '../base/index.ts'
import type { CanonicalRequest } from './canonical.ts'
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

/** A line that begins once a service has let it pass. */
export class LaterLine implements RunningLine {
  readonly #line: LineRequest
  #running: RunningLine | undefined
  #isHurried = false
  #isOver = false

  /** @param start begins it with what was let pass */
  constructor(
    line: LineRequest,
    passed: Promise<CanonicalRequest>,
    start: (request: CanonicalRequest) => RunningLine,
  ) {
    this.#line = line
    passed
      .then((request) => {
        if (this.#isOver) return
        this.#running = start(request)
        if (this.#isHurried) this.#running.hurry()
      })
      .catch((error: unknown) => this.#end({ ...NOTHING, error: toGristmillError(error) }))
  }

  get isWaiting(): boolean {
    return this.#running?.isWaiting ?? !this.#isOver
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
    if (this.#isOver) return
    this.#isOver = true
    void this.#line.ended(end)
  }
}
