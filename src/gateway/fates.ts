/**
 * What becomes of the parts of a request at engines that speak another wire. Each translated door
 * has tables of these, follows them, and `docs/compatibility.md` shows them.
 */

export interface Fate {
  /**
   * `translated`: means the same at the engine; `passed on`: the engine's own, as it is; `ignored`:
   * the answer means the same without it; `refused`: it would not.
   */
  fate: 'translated' | 'passed on' | 'ignored' | 'refused'
  /** How, or why; for refusals the words that the client gets. */
  how: string
}

export type Fates = Readonly<Record<string, Fate>>

export const translated = (how: string): Fate => ({ fate: 'translated', how })
export const ignored = (how: string): Fate => ({ fate: 'ignored', how })
export const refused = (how: string): Fate => ({ fate: 'refused', how })

const passedOn: Fate = { fate: 'passed on', how: 'sampling that the engine may know' }

/** Sampling that no wire but the engine's has, and that clients may add to any. */
export const engineSampling: Fates = {
  seed: passedOn,
  min_p: passedOn,
  presence_penalty: passedOn,
  frequency_penalty: passedOn,
  repetition_penalty: passedOn,
  repeat_penalty: passedOn,
  logit_bias: passedOn,
  min_tokens: passedOn,
  ignore_eos: passedOn,
  chat_template_kwargs: passedOn,
}
