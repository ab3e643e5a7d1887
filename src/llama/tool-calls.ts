/**
 * Finds tool calls in generated text. The engine's form of a call, which its grammar enforces, is
 * `<tool_call>\n{"name": "NAME", "arguments": {…}}\n</tool_call>`.
 */

/**
 * A part of an answer: text for the reader, the beginning of a call, or a piece of its arguments.
 */
export type OutputEvent =
  | { kind: 'text'; text: string }
  | { kind: 'call'; index: number; id: string; name: string }
  | { kind: 'arguments'; index: number; text: string }

export const CALL_TAG = '<tool_call>'
/** Between the tag and the name. */
export const CALL_NAME = '\n{"name": "'
export const CALL_START = CALL_TAG + CALL_NAME
export const CALL_MIDDLE = '", "arguments": '
export const CALL_END = '}\n</tool_call>'

/** Takes text as it is generated and gives events; text outside of calls passes through. */
export class ToolCallParser {
  readonly #newId: () => string
  #state: 'text' | 'name' | 'arguments' | 'end' = 'text'
  #held = ''
  #calls = 0
  #depth = 0
  #inString = false
  #escaped = false

  constructor(newId: () => string) {
    this.#newId = newId
  }

  get calls(): number {
    return this.#calls
  }

  push(text: string): OutputEvent[] {
    this.#held += text
    const events: OutputEvent[] = []
    for (;;) {
      const before = this.#held.length
      const state = this.#state
      this.#advance(events)
      if (this.#state === state && this.#held.length === before) return merged(events)
    }
  }

  /** What was held back, at the end. */
  flush(): OutputEvent[] {
    const text = this.#held
    this.#held = ''
    if (text === '') return []
    if (this.#state === 'text') return this.#calls > 0 ? [] : [{ kind: 'text', text }]
    return []
  }

  #advance(events: OutputEvent[]): void {
    if (this.#state === 'text') this.#readText(events)
    else if (this.#state === 'name') this.#readName(events)
    else if (this.#state === 'arguments') this.#readArguments(events)
    else if (this.#held.startsWith(CALL_END)) {
      this.#held = this.#held.slice(CALL_END.length)
      this.#state = 'text'
    }
  }

  #readText(events: OutputEvent[]): void {
    const start = this.#held.indexOf(CALL_START)
    const until = start >= 0 ? start : this.#held.length - heldBack(this.#held)
    const text = this.#held.slice(0, until)
    // Line breaks between calls are part of the form, not of the answer.
    if (text !== '' && (this.#calls === 0 || text.trim() !== ''))
      events.push({ kind: 'text', text })
    this.#held = this.#held.slice(until)
    if (start < 0) return
    this.#held = this.#held.slice(CALL_START.length)
    this.#state = 'name'
  }

  #readName(events: OutputEvent[]): void {
    const end = this.#held.indexOf(CALL_MIDDLE)
    if (end < 0) return
    const name = this.#held.slice(0, end)
    events.push({ kind: 'call', index: this.#calls, id: this.#newId(), name })
    this.#calls++
    this.#held = this.#held.slice(end + CALL_MIDDLE.length)
    this.#depth = 0
    this.#state = 'arguments'
  }

  /** Passes on JSON until its outermost object closes. */
  #readArguments(events: OutputEvent[]): void {
    let end = 0
    let closed = false
    while (end < this.#held.length && !closed) closed = this.#closes(this.#held[end++] ?? '')
    const text = this.#held.slice(0, end)
    if (text !== '') events.push({ kind: 'arguments', index: this.#calls - 1, text })
    this.#held = this.#held.slice(end)
    if (closed) this.#state = 'end'
  }

  #closes(character: string): boolean {
    if (this.#inString) {
      if (this.#escaped) this.#escaped = false
      else if (character === '\\') this.#escaped = true
      else if (character === '"') this.#inString = false
      return false
    }
    if (character === '"') this.#inString = true
    else if (character === '{' || character === '[') this.#depth++
    else if (character === '}' || character === ']') return --this.#depth === 0
    return false
  }
}

/** Length of the end of `text` that may be the beginning of a call. */
function heldBack(text: string): number {
  for (let length = Math.min(text.length, CALL_START.length - 1); length > 0; length--)
    if (text.endsWith(CALL_START.slice(0, length))) return length
  return 0
}

function merged(events: OutputEvent[]): OutputEvent[] {
  const result: OutputEvent[] = []
  for (const event of events) {
    const last = result.at(-1)
    if (last?.kind === 'text' && event.kind === 'text') last.text += event.text
    else result.push(event)
  }
  return result
}
