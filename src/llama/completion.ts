/** Runs one request through the driver, choice by choice, and reports its text as it grows. */
import type { Token } from 'node-llama-cpp'
import type { Driver } from './driver.ts'
import type { GenerationRequest, SampledToken } from './generation.ts'
import { type Detokenize, TextStream } from './text-stream.ts'

export type FinishReason = 'stop' | 'length' | 'tool_calls'

/** `offset`: characters of the choice's text before it. */
export type PlacedToken = SampledToken & { offset: number }

/** Receives a choice's output; `text` may be '' when only probabilities arrive. */
export interface ChoiceSink {
  text(choice: number, text: string, tokens: PlacedToken[]): void
  /** @param stop the stop string that ended it, if one did */
  finish(choice: number, reason: 'stop' | 'length', stop: string | undefined): void
  isPaused(): boolean
}

export interface CompletionRequest
  extends Omit<GenerationRequest, 'onToken' | 'isPaused' | 'sampling' | 'countsPrompt'> {
  choices: number
  stops: readonly string[]
  /** Sampling of a choice; grammars hold state and are made anew for each. */
  samplingOf(choice: number): GenerationRequest['sampling']
}

/**
 * Generates all choices, one after another on one sequence at a time: a request takes one slot
 * whatever its `n`, and later choices find the prompt already read.
 * @returns how the request ended
 */
export async function runCompletion(
  driver: Driver,
  request: CompletionRequest,
  detokenize: Detokenize,
  sink: ChoiceSink,
): Promise<'finished' | 'aborted'> {
  for (let choice = 0; choice < request.choices; choice++) {
    const stream = new TextStream(detokenize, request.prompt, request.stops)
    let unreported: PlacedToken[] = []
    const report = (text: string) => {
      const probable = unreported.some((sampled) => sampled.logprob !== undefined)
      if (text === '' && !probable) return
      sink.text(choice, text, unreported)
      unreported = []
    }
    const end = await driver.run({
      ...request,
      sampling: request.samplingOf(choice),
      countsPrompt: choice === 0,
      isPaused: () => sink.isPaused(),
      onToken(sampled) {
        const { length: offset } = stream
        const text = stream.push(sampled.token)
        unreported.push({ ...sampled, offset })
        if (text !== '') report(text)
        return stream.met === undefined
      },
    })
    if (end === 'aborted') return 'aborted'
    report(stream.flush())
    sink.finish(choice, end === 'length' ? 'length' : 'stop', stream.met)
  }
  return 'finished'
}

/** Text of tokens without control tokens, as the continuation of others. */
export function detokenizerOf(model: {
  detokenize(tokens: Token[], special: boolean, before: Token[]): string
}): Detokenize {
  return (tokens, before) => model.detokenize(tokens, false, before)
}
