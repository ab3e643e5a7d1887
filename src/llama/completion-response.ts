/** The answer of legacy completions in OpenAI's shape, whole or as a stream of events. */
import { type AnswerHead, usageOf } from './chat-response.ts'
import type { FinishReason, PlacedToken } from './completion.ts'
import type { Progress } from './generation.ts'
import { shownToken, type TokenBytes } from './token-bytes.ts'

/** Probabilities in the shape of the legacy wire. */
export interface LegacyLogprobs {
  tokens: string[]
  token_logprobs: number[]
  top_logprobs: Record<string, number>[]
  text_offset: number[]
}

export function legacyLogprobs(
  tokens: readonly PlacedToken[],
  bytesOf: TokenBytes,
): LegacyLogprobs {
  const result: LegacyLogprobs = {
    tokens: [],
    token_logprobs: [],
    top_logprobs: [],
    text_offset: [],
  }
  for (const { token, logprob = 0, top = [], offset } of tokens) {
    result.tokens.push(shownToken(bytesOf(token)))
    result.token_logprobs.push(Math.max(logprob, -9999))
    const alternatives = top.map((t) => [shownToken(bytesOf(t.token)), Math.max(t.logprob, -9999)])
    result.top_logprobs.push(Object.fromEntries(alternatives))
    result.text_offset.push(offset)
  }
  return result
}

export interface CompletionWriter {
  text(choice: number, text: string, logprobs: LegacyLogprobs | undefined): void
  finish(choice: number, reason: FinishReason): void
  end(progress: Progress): void
}

export function completionStream(
  head: AnswerHead,
  includeUsage: boolean,
  write: (text: string) => void,
): CompletionWriter {
  const { id, created, model } = head
  const fields = { id, object: 'text_completion', created, model }
  // What all events of an answer share is put into words once.
  const start = `data: ${JSON.stringify(fields).slice(0, -1)},"choices":[`
  const frame = (index: number, text: string, logprobs: string, reason: string) =>
    `${start}{"index":${index},"text":${text},"logprobs":${logprobs},"finish_reason":${reason}}]}\n\n`
  return {
    text(index, text, logprobs) {
      const probable = logprobs === undefined ? 'null' : JSON.stringify(logprobs)
      write(frame(index, JSON.stringify(text), probable, 'null'))
    },
    finish(index, reason) {
      write(frame(index, '""', 'null', `"${reason}"`))
    },
    end(progress) {
      const last = includeUsage ? `${start}],"usage":${JSON.stringify(usageOf(progress))}}\n\n` : ''
      write(`${last}data: [DONE]\n\n`)
    },
  }
}

export function completionCollector(
  head: AnswerHead,
  send: (body: object) => void,
): CompletionWriter {
  const choices: {
    index: number
    text: string
    logprobs: LegacyLogprobs | null
    finish_reason: FinishReason
  }[] = []
  const choice = (index: number) => {
    choices[index] ??= { index, text: '', logprobs: null, finish_reason: 'stop' }
    return choices[index]
  }
  return {
    text(index, text, logprobs) {
      const collected = choice(index)
      collected.text += text
      if (logprobs) collected.logprobs = joined(collected.logprobs, logprobs)
    },
    finish(index, reason) {
      choice(index).finish_reason = reason
    },
    end(progress) {
      const { id, created, model } = head
      const usage = usageOf(progress)
      send({ id, object: 'text_completion', created, model, choices, usage })
    },
  }
}

function joined(before: LegacyLogprobs | null, more: LegacyLogprobs): LegacyLogprobs {
  if (!before) return more
  return {
    tokens: [...before.tokens, ...more.tokens],
    token_logprobs: [...before.token_logprobs, ...more.token_logprobs],
    top_logprobs: [...before.top_logprobs, ...more.top_logprobs],
    text_offset: [...before.text_offset, ...more.text_offset],
  }
}
