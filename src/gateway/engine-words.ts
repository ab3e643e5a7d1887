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

function callOf(value: unknown, position: number): EngineCall {
  const { index, id, function: given } = fieldsOf(value)
  const called = fieldsOf(given)
  return {
    index: typeof index === 'number' ? index : position,
    id: typeof id === 'string' && id !== '' ? id : null,
    name: textOf(called.name),
    arguments: textOf(called.arguments),
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
