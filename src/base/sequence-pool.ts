/**
 * Which sequence a request gets. One that already holds the beginning of its prompt spares reading
 * it, if it belongs to the same cache salt; one next to those in use spares a pass over the weights
 * in every step, because llama.cpp computes only neighbouring sequences in one pass. Of these the
 * lowest, so that all in use move together; and what others may come back to is left alone, the
 * longer and younger it is the rather. Background work takes the lowest ones. Pure bookkeeping.
 */
import { type Move, movesIntoRow } from './row-moves.ts'

/** What the pool needs to know of a sequence. */
export interface PooledSequence<Prompt> {
  /** Number of leading tokens of a prompt whose state the sequence holds. */
  commonPrefix(prompt: Prompt): number
  /** Number of tokens whose state the sequence holds. */
  heldTokens(): number
}

interface Place<S> {
  sequence: S
  index: number
  salt: string
  busy: boolean
  /** Count of people's requests when its last ended; undefined where nobody comes back to it. */
  lastUse: number | undefined
}

/** A shorter overlap is not worth the eviction of another conversation. */
const REUSE_SHARE_MIN = 0.4
/**
 * Prompt tokens that are worth reading again to spare a pass in every step of a request: a pass
 * takes about as long as two of them (10 ms and 6 on a core without matrix instructions), and
 * answers have tens of tokens, but whoever waits for a first token waits for the reading.
 */
const PASS_TOKENS = 12
/** Part of what was kept for people that is asked for again, while it is young. */
const RETURN_SHARE = 0.1

/** Copying the state of more tokens to another sequence takes longer than what it spares. */
export const MOVED_TOKENS_MAX = 256

export interface TakenSequence<S> {
  sequence: S
  /** Position among all sequences. */
  index: number
  /** Leading tokens that may be kept: 0 when the salt differs. */
  reusable: number
}

export class SequencePool<S extends PooledSequence<Prompt>, Prompt extends { length: number }> {
  readonly #places: Place<S>[]
  #uses = 0

  constructor(sequences: readonly S[]) {
    this.#places = sequences.map((sequence, index) => ({
      sequence,
      index,
      salt: '',
      busy: false,
      lastUse: undefined,
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
   * @param isBackground nobody waits for its first token
   * @returns undefined when all are busy
   */
  take(salt: string, prompt: Prompt, isBackground = false): TakenSequence<S> | undefined {
    const worthwhile = prompt.length * REUSE_SHARE_MIN
    const [first] = this.#places
      .filter((place) => !place.busy)
      .map((place) => {
        const reusable = place.salt === salt ? place.sequence.commonPrefix(prompt) : 0
        const spared = reusable >= worthwhile ? reusable : 0
        const gain = isBackground
          ? spared - PASS_TOKENS * place.index
          : spared + PASS_TOKENS * this.#nearness(place) - this.#worth(place, spared)
        return { place, reusable, gain }
      })
      .sort((a, b) => b.gain - a.gain)
    if (!first) return undefined
    const { place, reusable } = first
    place.busy = true
    place.salt = salt
    place.lastUse = isBackground ? undefined : this.#uses
    return { sequence: place.sequence, index: place.index, reusable }
  }

  /** The sequence at this position, where nobody has it. */
  idleAt(index: number): S | undefined {
    const place = this.#places[index]
    return place?.busy === false ? place.sequence : undefined
  }

  /**
   * Moves after which these sequences in use are neighbours, as few as can be.
   * @param canMove whether what a sequence holds can be copied to another one for little
   * @see movesIntoRow
   */
  gathering(members: ReadonlySet<S>, canMove: (sequence: S) => boolean): Move[] {
    return movesIntoRow(
      this.#places.map((place) => ({
        index: place.index,
        isMember: members.has(place.sequence),
        isBusy: place.busy,
        isFixed: place.busy ? !canMove(place.sequence) : this.#worth(place, 0) > PASS_TOKENS,
      })),
    )
  }

  /** What was held at `from` is now also at `to`, and whoever had that sequence has this one. */
  move({ from, to }: Move): void {
    const [left, taken] = [this.#places[from], this.#places[to]]
    if (!left?.busy || taken?.busy !== false) throw new Error('a sequence cannot be moved so')
    Object.assign(taken, { busy: true, salt: left.salt, lastUse: left.lastUse })
    Object.assign(left, { busy: false, lastUse: undefined })
  }

  /** Gives a sequence back; exactly once per `take`. */
  giveBack(sequence: S): void {
    const place = this.#places.find((candidate) => candidate.sequence === sequence)
    if (!place?.busy) throw new Error('a sequence was given back that was not taken')
    place.busy = false
    if (place.lastUse !== undefined) place.lastUse = ++this.#uses
  }

  /**
   * Rows of busy places that it extends or joins, and of these less the higher it lies: between two
   * rows it is then the place next to the lower one, whose row grows while the other one ends.
   */
  #nearness({ index }: Place<S>): number {
    const isBusy = (at: number) => this.#places[at]?.busy ?? false
    const rows = Number(isBusy(index - 1)) + Number(isBusy(index + 1))
    return rows > 0 ? rows - index / this.size : 0
  }

  /** Tokens that are likely to be read again, should the state beyond `spared` be lost. */
  #worth({ sequence, lastUse }: Place<S>, spared: number): number {
    if (lastUse === undefined) return 0
    const youth = Math.max(0, 1 - (this.#uses - lastUse) / this.size)
    return RETURN_SHARE * youth * (sequence.heldTokens() - spared)
  }
}
