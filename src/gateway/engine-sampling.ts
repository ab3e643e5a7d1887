/** Sampling that no wire but the engine's has. */
import type { Fate, Fates } from '../base/index.ts'

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
