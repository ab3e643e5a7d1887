/** Log probabilities in the shape of OpenAI's chat wire. */
import type { SampledToken, TokenLogprob } from './generation.ts'
import type { Detokenize } from './text-stream.ts'

interface LogprobItem {
  token: string
  logprob: number
  /** UTF-8 bytes; null where the token is only a part of a character. */
  bytes: number[] | null
}

export interface LogprobEntry extends LogprobItem {
  top_logprobs: LogprobItem[]
}

/** Entries for tokens that were sampled with probabilities. */
export function logprobEntries(
  tokens: readonly SampledToken[],
  detokenize: Detokenize,
): LogprobEntry[] {
  const item = ({ token, logprob }: TokenLogprob): LogprobItem => {
    const text = detokenize([token], [])
    const bytes = text.includes('\uFFFD') ? null : [...Buffer.from(text)]
    return { token: text, logprob: finite(logprob), bytes }
  }
  return tokens.flatMap(({ token, logprob, top }) =>
    logprob === undefined
      ? []
      : [{ ...item({ token, logprob }), top_logprobs: (top ?? []).map(item) }],
  )
}

/** JSON knows no infinity; OpenAI writes -9999 for what is practically impossible. */
const finite = (logprob: number) => (Number.isFinite(logprob) ? logprob : -9999)
