/** The answer of chat completions in OpenAI's shape, whole or as a stream of events. */
import type { FinishReason } from './completion.ts'
import type { Progress } from './generation.ts'
import type { LogprobEntry } from './logprobs.ts'
import type { OutputEvent } from './tool-calls.ts'

/** Values that every body of one answer repeats. */
export interface AnswerHead {
  id: string
  /** Seconds since the epoch. */
  created: number
  model: string
}

export interface ChatWriter {
  /** Reports a part of a choice; `logprobs` are of the tokens behind it, if they were asked for. */
  event(choice: number, events: OutputEvent[], logprobs: LogprobEntry[] | undefined): void
  /** @param stop the stop string that ended it, told as vLLM does: `stop_reason` */
  finish(choice: number, reason: FinishReason, stop: string | undefined): void
  /** Ends the answer. */
  end(progress: Progress): void
}

export function usageOf(progress: Progress) {
  return {
    prompt_tokens: progress.promptTokens,
    completion_tokens: progress.completionTokens,
    total_tokens: progress.promptTokens + progress.completionTokens,
    prompt_tokens_details: { cached_tokens: progress.cachedTokens },
  }
}

/**
 * Writes server-sent events; one write for each event of the engine. Usage is on the last event
 * only, as with other engines: a gateway that asks for it on behalf of a client that did not can
 * pass on all other events as they are.
 */
export class ChatStream implements ChatWriter {
  readonly #head: string
  readonly #includeUsage: boolean
  readonly #write: (text: string) => void
  readonly #begun = new Set<number>()

  constructor(head: AnswerHead, includeUsage: boolean, write: (text: string) => void) {
    const { id, created, model } = head
    const fields = { id, object: 'chat.completion.chunk', created, model }
    this.#head = `data: ${JSON.stringify(fields).slice(0, -1)},`
    this.#includeUsage = includeUsage
    this.#write = write
  }

  event(choice: number, events: OutputEvent[], logprobs: LogprobEntry[] | undefined): void {
    let frames = this.#begin(choice)
    let probabilities = logprobs ? JSON.stringify({ content: logprobs, refusal: null }) : undefined
    for (const event of events) {
      frames += this.#chunk(choice, JSON.stringify(deltaOf(event)), 'null', probabilities)
      probabilities = undefined
    }
    if (probabilities !== undefined) frames += this.#chunk(choice, '{}', 'null', probabilities)
    if (frames !== '') this.#write(frames)
  }

  finish(choice: number, reason: FinishReason, stop: string | undefined): void {
    const met = stop === undefined ? '' : `,"stop_reason":${JSON.stringify(stop)}`
    this.#write(this.#begin(choice) + this.#chunk(choice, '{}', `"${reason}"${met}`, undefined))
  }

  end(progress: Progress): void {
    const usage = `${this.#head}"choices":[],"usage":${JSON.stringify(usageOf(progress))}}\n\n`
    this.#write(`${this.#includeUsage ? usage : ''}data: [DONE]\n\n`)
  }

  #begin(choice: number): string {
    if (this.#begun.has(choice)) return ''
    this.#begun.add(choice)
    return this.#chunk(choice, '{"role":"assistant","content":""}', 'null', undefined)
  }

  #chunk(choice: number, delta: string, reason: string, logprobs: string | undefined): string {
    return (
      `${this.#head}"choices":[{"index":${choice},"delta":${delta},` +
      `"logprobs":${logprobs ?? 'null'},"finish_reason":${reason}}]}\n\n`
    )
  }
}

function deltaOf(event: OutputEvent): object {
  switch (event.kind) {
    case 'text':
      return { content: event.text }
    case 'call': {
      const { index, id, name } = event
      const call = { index, id, type: 'function', function: { name, arguments: '' } }
      return { tool_calls: [call] }
    }
    case 'arguments':
      return { tool_calls: [{ index: event.index, function: { arguments: event.text } }] }
  }
}

interface CollectedChoice {
  text: string
  calls: { id: string; type: 'function'; function: { name: string; arguments: string } }[]
  logprobs: LogprobEntry[]
  reason: FinishReason
  stop?: string | undefined
}

/** Collects the answer and hands it over as one body. */
export class ChatCollector implements ChatWriter {
  readonly #head: AnswerHead
  readonly #logprobs: boolean
  readonly #send: (body: object) => void
  readonly #choices: CollectedChoice[] = []

  constructor(head: AnswerHead, logprobs: boolean, send: (body: object) => void) {
    this.#head = head
    this.#logprobs = logprobs
    this.#send = send
  }

  event(choice: number, events: OutputEvent[], logprobs: LogprobEntry[] | undefined): void {
    const collected = this.#choice(choice)
    for (const event of events) {
      if (event.kind === 'text') collected.text += event.text
      else if (event.kind === 'arguments') {
        const call = collected.calls[event.index]
        if (call) call.function.arguments += event.text
      } else {
        const { id, name } = event
        collected.calls[event.index] = { id, type: 'function', function: { name, arguments: '' } }
      }
    }
    collected.logprobs.push(...(logprobs ?? []))
  }

  finish(choice: number, reason: FinishReason, stop: string | undefined): void {
    const collected = this.#choice(choice)
    collected.reason = reason
    collected.stop = stop
  }

  end(progress: Progress): void {
    const choices = this.#choices.map((choice, index) => ({
      index,
      message: {
        role: 'assistant',
        content: choice.calls.length > 0 && choice.text === '' ? null : choice.text,
        refusal: null,
        ...(choice.calls.length > 0 && { tool_calls: choice.calls }),
      },
      logprobs: this.#logprobs ? { content: choice.logprobs, refusal: null } : null,
      finish_reason: choice.reason,
      ...(choice.stop !== undefined && { stop_reason: choice.stop }),
    }))
    const { id, created, model } = this.#head
    this.#send({
      id,
      object: 'chat.completion',
      created,
      model,
      choices,
      usage: usageOf(progress),
    })
  }

  #choice(index: number): CollectedChoice {
    const choice = this.#choices[index] ?? { text: '', calls: [], logprobs: [], reason: 'stop' }
    this.#choices[index] = choice
    return choice
  }
}
