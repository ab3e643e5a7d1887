/** Log probabilities in the shape of OpenAI's chat wire. */
import type { SampledToken, TokenLogprob } from './generation.ts'
import { shownToken, type TokenBytes } from './token-bytes.ts'

interface LogprobItem {
  token: string
  logprob: number
  /** Those of several tokens together are the text, also where a character is parted. */
  bytes: number[]
}

export interface LogprobEntry extends LogprobItem {
  top_logprobs: LogprobItem[]
}

/** Entries for tokens that were sampled with probabilities. */
export function logprobEntries(
  tokens: readonly SampledToken[],
  bytesOf: TokenBytes,
): LogprobEntry[] {
  const item = ({ token, logprob }: TokenLogprob): LogprobItem => {
    const bytes = bytesOf(token)
    return { token: shownToken(bytes), logprob: finite(logprob), bytes: [...bytes] }
  }
  return tokens.flatMap(({ token, logprob, top }) =>
    logprob === undefined
      ? []
      : [{ ...item({ token, logprob }), top_logprobs: (top ?? []).map(item) }],
  )
}

/** JSON knows no infinity; OpenAI writes -9999 for what is practically impossible. */
const finite = (logprob: number) => (Number.isFinite(logprob) ? logprob : -9999)
