/** What an engine says in a message or a piece of one, read without believing in its shape. */

export type Fields = Record<string, unknown>

export interface EngineWords {
  thinking: string
  text: string
  calls: EngineCall[]
}

export interface EngineCall {
  index: number
  id: string | null
  name: string
  arguments: string
}

/** @param message of a whole answer, or the delta of a chunk */
export function engineWords(message: Fields): EngineWords {
  const { tool_calls: calls } = message
  return {
    thinking: textOf(message.reasoning_content) || textOf(message.reasoning),
    text: textOf(message.content) || textOf(message.refusal),
    calls: Array.isArray(calls) ? calls.map(callOf) : [],
  }
}

export function callOf(value: unknown, position: number): EngineCall {
  const { index, id, function: given } = fieldsOf(value)
  const called = fieldsOf(given)
  return {
    index: typeof index === 'number' ? index : position,
    id: typeof id === 'string' && id !== '' ? id : null,
    name: textOf(called.name),
    arguments: textOf(called.arguments),
  }
}

/**
 * Numbers the calls of a stream. Some engines give every call the index 0, so one with a name and
 * an id of its own is another call, whatever its index.
 */
export class CallNumbers {
  readonly #latest = new Map<number, { id: string | null; number: number }>()
  #count = 0

  /** @param call as a piece of the stream has it */
  numberOf({ index, id, name }: EngineCall): number {
    const latest = this.#latest.get(index)
    const isOther = latest !== undefined && name !== '' && id !== null && id !== latest.id
    if (latest !== undefined && !isOther) return latest.number
    const number = this.#count++
    this.#latest.set(index, { id, number })
    return number
  }
}

/** The first choice of an answer or a chunk; undefined where there is none. */
export function firstChoice({ choices }: Fields): Fields | undefined {
  const [first] = Array.isArray(choices) ? (choices as unknown[]) : []
  return first === undefined ? undefined : fieldsOf(first)
}

export function fieldsOf(value: unknown): Fields {
  return typeof value === 'object' && value !== null ? (value as Fields) : {}
}

export const textOf = (value: unknown) => (typeof value === 'string' ? value : '')
