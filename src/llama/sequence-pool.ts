/**
 * Which sequence a request gets: the one that already holds the beginning of its prompt, if it
 * belongs to the same cache salt; else one next to those in use, because llama.cpp computes only
 * neighbouring sequences in one pass over the weights. Pure bookkeeping.
 */
import type { Token } from 'node-llama-cpp'

/** What the pool needs to know of a sequence. */
export interface PooledSequence {
  /** Number of leading tokens of `tokens` whose state the sequence holds. */
  commonPrefix(tokens: readonly Token[]): number
  /** Number of tokens whose state the sequence holds. */
  heldTokens(): number
}

interface Place<S> {
  sequence: S
  index: number
  salt: string
  busy: boolean
  lastUse: number
}

/** A shorter overlap is not worth the eviction of another conversation. */
const REUSE_SHARE_MIN = 0.5

export interface TakenSequence<S> {
  sequence: S
  /** Position among all sequences. */
  index: number
  /** Leading tokens that may be kept: 0 when the salt differs or the overlap is small. */
  reusable: number
}

export class SequencePool<S extends PooledSequence> {
  readonly #places: Place<S>[]
  #uses = 0

  constructor(sequences: readonly S[]) {
    this.#places = sequences.map((sequence, index) => ({
      sequence,
      index,
      salt: '',
      busy: false,
      lastUse: 0,
    }))
  }

  get size(): number {
    return this.#places.length
  }

  get free(): number {
    return this.#places.filter((place) => !place.busy).length
  }

  /**
   * Takes a free sequence for a prompt.
   * @param salt only state written under the same salt is reused, so that neither timing nor the
   *   count of cached tokens tells one tenant what another sent (CVE-2025-46570)
   * @returns undefined when all are busy
   */
  take(salt: string, tokens: readonly Token[]): TakenSequence<S> | undefined {
    const free = this.#places.filter((place) => !place.busy)
    const worthwhile = tokens.length * REUSE_SHARE_MIN
    let choice: Place<S> | undefined
    let reusable = 0
    for (const place of free) {
      if (place.salt !== salt) continue
      const common = place.sequence.commonPrefix(tokens)
      const closer =
        common > reusable ||
        (common === reusable && choice && this.#heldBy(place) < this.#heldBy(choice))
      if (common >= worthwhile && common > 0 && closer) {
        choice = place
        reusable = common
      }
    }
    choice ??= this.#compact(free)
    if (!choice) return undefined
    choice.busy = true
    choice.salt = salt
    return { sequence: choice.sequence, index: choice.index, reusable }
  }

  /** Gives a sequence back; exactly once per `take`. */
  giveBack(sequence: S): void {
    const place = this.#places.find((candidate) => candidate.sequence === sequence)
    if (!place?.busy) throw new Error('a sequence was given back that was not taken')
    place.busy = false
    place.lastUse = ++this.#uses
  }

  /**
   * The place that leaves the busy ones in the fewest runs of neighbours; then the longest unused.
   */
  #compact(free: readonly Place<S>[]): Place<S> | undefined {
    const isBusy = (index: number) => this.#places[index]?.busy ?? false
    // Next to one run its number stays, between two they join, elsewhere a new one begins.
    const joined = ({ index }: Place<S>) => Number(isBusy(index - 1)) + Number(isBusy(index + 1))
    return free.toSorted((a, b) => joined(b) - joined(a) || a.lastUse - b.lastUse)[0]
  }

  #heldBy(place: Place<S>): number {
    return place.sequence.heldTokens()
  }
}
