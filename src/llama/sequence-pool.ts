/**
 * Which sequence a request gets. One that already holds the beginning of its prompt spares reading
 * it, if it belongs to the same cache salt; one next to those in use spares a pass over the weights
 * in every step, because llama.cpp computes only neighbouring sequences in one pass. Background
 * work takes the lowest ones: so it stays together and leaves what others may come back to. Pure
 * bookkeeping.
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
const REUSE_SHARE_MIN = 0.4
/**
 * Prompt tokens that are worth reading again to spare a pass in every step of a request: a pass
 * takes about as long as two of them (10 ms and 6 on a core without matrix instructions), and
 * answers have tens of tokens, but whoever waits for a first token waits for the reading.
 */
const PASS_TOKENS = 12

export interface TakenSequence<S> {
  sequence: S
  /** Position among all sequences. */
  index: number
  /** Leading tokens that may be kept: 0 when the salt differs. */
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
   * @param isBackground nobody waits for its first token
   * @returns undefined when all are busy
   */
  take(salt: string, tokens: readonly Token[], isBackground = false): TakenSequence<S> | undefined {
    const worthwhile = tokens.length * REUSE_SHARE_MIN
    const [first] = this.#places
      .filter((place) => !place.busy)
      .map((place) => {
        const reusable = place.salt === salt ? place.sequence.commonPrefix(tokens) : 0
        const spared = reusable >= worthwhile ? reusable : 0
        const lost = spared > 0 ? place.sequence.heldTokens() - spared : 0
        const gain = spared + PASS_TOKENS * (isBackground ? -place.index : this.#joined(place))
        return { place, reusable, gain, lost }
      })
      .sort((a, b) => b.gain - a.gain || a.lost - b.lost || a.place.lastUse - b.place.lastUse)
    if (!first) return undefined
    const { place, reusable } = first
    place.busy = true
    place.salt = salt
    return { sequence: place.sequence, index: place.index, reusable }
  }

  /** The sequence at this position, where nobody has it. */
  idleAt(index: number): S | undefined {
    const place = this.#places[index]
    return place?.busy === false ? place.sequence : undefined
  }

  /** Gives a sequence back; exactly once per `take`. */
  giveBack(sequence: S): void {
    const place = this.#places.find((candidate) => candidate.sequence === sequence)
    if (!place?.busy) throw new Error('a sequence was given back that was not taken')
    place.busy = false
    place.lastUse = ++this.#uses
  }

  /** Next to one run of busy places their number stays, between two they join. */
  #joined({ index }: Place<S>): number {
    const isBusy = (at: number) => this.#places[at]?.busy ?? false
    return Number(isBusy(index - 1)) + Number(isBusy(index + 1))
  }
}
