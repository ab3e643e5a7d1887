/**
 * Keeps the memory of samplers in check: the library allocates one for every generation, frees it
 * only when JavaScript collects the object, and does not tell the collector how large it is.
 */

/** Bytes per vocabulary entry in the library's sampler (token, logit, probability). */
const BYTES_PER_ENTRY = 12
/** Uncollected sampler memory at which a collection is due. */
const COLLECT_AT_BYTES = 64 * 2 ** 20
/** Small vocabularies still leave handles behind. */
const COLLECT_AT_COUNT = 2000

export class SamplerMemory {
  readonly #bytesEach: number
  #count = 0

  /** @param vocabularySize entries of the model's vocabulary */
  constructor(vocabularySize: number) {
    this.#bytesEach = vocabularySize * BYTES_PER_ENTRY
  }

  /** Notes that the library made a sampler. */
  noteSampler(): void {
    this.#count++
  }

  /** Collects when enough has gathered; needs `--expose-gc`, else the memory grows. */
  collectIfDue(): void {
    const due = this.#count * this.#bytesEach > COLLECT_AT_BYTES || this.#count > COLLECT_AT_COUNT
    if (!due) return
    this.#count = 0
    globalThis.gc?.()
  }
}
