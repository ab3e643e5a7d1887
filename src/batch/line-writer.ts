/**
 * Ends of a batch's lines on their way into the database: gathered while the group before is
 * written, tried again while the database is away, and each reported as stored or not.
 */
import { type Clock, GristmillError, type Logger } from '../base/index.ts'
import { isUnreachable } from '../store/index.ts'
import type { EndedLine } from './batch-types.ts'

/** `unknown`: we are closing and cannot tell; whoever starts next will look. */
export type LineFate = 'stored' | 'dropped' | 'unknown'

export interface LineWriterOptions {
  clock: Clock
  logger: Logger
  batchId: string
  /** @returns the lines that are stored with the given end */
  store: (ends: readonly EndedLine[]) => Promise<Set<number>>
  /** Called when `broken` is set. */
  onBroken: () => void
}

interface Waiting {
  end: EndedLine
  resolve: (fate: LineFate) => void
}

const GROUP_LINES_MAX = 200
const GROUP_CHARACTERS_MAX = 8 * 1024 * 1024
const RETRY_MS_MIN = 100
const RETRY_MS_MAX = 5000

export class LineWriter {
  /** Why ends cannot be stored, now or later: files, keys or the right to do so are gone. */
  broken: GristmillError | undefined
  readonly #options: LineWriterOptions
  readonly #closing = new AbortController()
  #waiting: Waiting[] = []
  #isWriting = false

  constructor(options: LineWriterOptions) {
    this.#options = options
  }

  /** Resolves when the end is stored or never will be; never rejects. */
  add(end: EndedLine): Promise<LineFate> {
    if (this.#closing.signal.aborted) return Promise.resolve('unknown')
    return new Promise((resolve) => {
      this.#waiting.push({ end, resolve })
      if (!this.#isWriting) void this.#write()
    })
  }

  /** Stops trying; what is not stored yet stays unknown. */
  close(): void {
    this.#closing.abort()
  }

  async #write(): Promise<void> {
    this.#isWriting = true
    while (this.#waiting.length > 0) {
      const group = this.#nextGroup()
      const stored = await this.#store(group.map(({ end }) => end))
      for (const { end, resolve } of group) {
        resolve(stored === null ? 'unknown' : stored.has(end.line) ? 'stored' : 'dropped')
      }
    }
    this.#isWriting = false
  }

  #nextGroup(): Waiting[] {
    let characters = 0
    let lines = 0
    for (const { end } of this.#waiting) {
      characters += end.text.length
      if (lines > 0 && (lines >= GROUP_LINES_MAX || characters > GROUP_CHARACTERS_MAX)) break
      lines++
    }
    return this.#waiting.splice(0, lines)
  }

  /** @returns the lines that are stored; null where we close before it is known */
  async #store(ends: readonly EndedLine[]): Promise<Set<number> | null> {
    const { clock, logger, batchId, store, onBroken } = this.#options
    for (let failures = 0; ; failures++) {
      try {
        return await store(ends)
      } catch (error) {
        if (error instanceof GristmillError) {
          this.broken = error
          onBroken()
          return new Set()
        }
        logger.warn({ ...whyOf(error), batchId }, 'answers of a batch wait for the database')
      }
      const delayMs = Math.min(RETRY_MS_MAX, RETRY_MS_MIN * 2 ** failures)
      const isOpen = await clock.sleep(delayMs, this.#closing.signal).then(
        () => true,
        () => false,
      )
      if (!isOpen) return null
    }
  }
}

/** A database that is away needs no stack. */
export function whyOf(error: unknown): object {
  return isUnreachable(error) ? { reason: (error as Error).message } : { err: error }
}
