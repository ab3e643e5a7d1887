/**
 * A lane of group commits: one write at a time, and what gathers meanwhile goes out together in
 * the next. It knows when to write, not what.
 */
import type { Clock, Timer } from '../base/index.ts'

export class WriteLane {
  readonly #clock: Clock
  readonly #write: () => Promise<number | null>
  #busy = false
  #timer: Timer | undefined
  /** Delay asked for while a write was in flight. */
  #askedMs: number | undefined

  /**
   * @param write writes what has gathered; must not reject. Resolves to the milliseconds after
   *   which to write again, or null when there is nothing left
   */
  constructor(clock: Clock, write: () => Promise<number | null>) {
    this.#clock = clock
    this.#write = write
  }

  /** There is something to write: at once, or after `delayMs` unless a write is due anyway. */
  wake(delayMs = 0): void {
    if (this.#busy) {
      this.#askedMs = Math.min(delayMs, this.#askedMs ?? delayMs)
      return
    }
    if (this.#timer) {
      if (delayMs > 0) return
      this.#timer.cancel()
    }
    if (delayMs > 0) this.#timer = this.#clock.after(delayMs, () => void this.#run())
    else void this.#run()
  }

  stop(): void {
    this.#timer?.cancel()
    this.#timer = undefined
  }

  async #run(): Promise<void> {
    this.#timer = undefined
    this.#busy = true
    this.#askedMs = undefined
    const nextMs = await this.#write()
    const asked = this.#askedMs
    this.#busy = false
    if (nextMs !== null) this.wake(asked === undefined ? nextMs : Math.min(nextMs, asked))
    else if (asked !== undefined) this.wake(asked)
  }
}

/**
 * Writes a group; where the database refuses it for a value in one row, finds that row by halving
 * and hands it to `onBad`, so that one bad row never holds up the others.
 * @throws what `write` throws for any other reason
 */
export async function writeAround<Row>(
  rows: readonly Row[],
  write: (rows: readonly Row[]) => Promise<void>,
  onBad: (row: Row, error: unknown) => void,
): Promise<void> {
  try {
    await write(rows)
  } catch (error) {
    if (!isAboutData(error)) throw error
    const [first, second] = rows
    if (first !== undefined && second === undefined) return onBad(first, error)
    const middle = rows.length >> 1
    await writeAround(rows.slice(0, middle), write, onBad)
    await writeAround(rows.slice(middle), write, onBad)
  }
}

/** SQLSTATE classes 22 (data exception) and 23 (integrity constraint violation). */
function isAboutData(error: unknown): boolean {
  const { code } = error as { code?: unknown }
  return typeof code === 'string' && /^2[23]...$/.test(code)
}
