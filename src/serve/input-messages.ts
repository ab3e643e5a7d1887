/**
 * What a request asked, as the conventions for generative AI write it (`gen_ai.input.messages`):
 * the newest messages that fit, in their order. Nothing here believes in the shape of a body.
 */
import type { Attributes } from '@opentelemetry/api'

/** Of text in one request, characters. */
export const INPUT_CHARS_MAX = 16 * 1024
/** What a message or a part takes besides its text. */
const FRAME_CHARS = 64

type Fields = Record<string, unknown>

/** What is left for the texts. */
class Room {
  left = INPUT_CHARS_MAX
  isCut = false

  frame(): boolean {
    this.left -= FRAME_CHARS
    if (this.left <= 0) this.isCut = true
    return this.left > 0
  }

  text(value: unknown): string {
    const whole = typeof value === 'string' ? value : ''
    const text = whole.slice(0, Math.max(0, this.left))
    this.left -= text.length
    if (text.length < whole.length) this.isCut = true
    return text
  }
}

/** @param fields of a request as its engine was asked */
export function inputAttributes(fields: Fields): Attributes {
  const room = new Room()
  const asked = Array.isArray(fields.messages)
    ? (fields.messages as unknown[])
    : [{ role: 'user', content: fields.prompt ?? fields.input }]
  const messages: object[] = []
  for (const message of asked.toReversed()) {
    if (!room.frame()) break
    messages.push(messageOf((message ?? {}) as Fields, room))
  }
  return {
    'gen_ai.input.messages': JSON.stringify(messages.reverse()),
    ...(room.isCut && { 'gristmill.input.cut': true }),
  }
}

function messageOf({ role: given, content, tool_calls, tool_call_id }: Fields, room: Room): object {
  const role = room.text(given)
  if (role === 'tool') {
    const id = room.text(tool_call_id)
    const response = textsOf(content, room)
    return { role, parts: [{ type: 'tool_call_response', id, response }] }
  }
  const parts = partsOf(content, room)
  for (const call of Array.isArray(tool_calls) ? (tool_calls as unknown[]) : []) {
    if (!room.frame()) break
    const { id, function: called } = (call ?? {}) as Fields
    const { name, arguments: given } = (called ?? {}) as Fields
    const [callId, callName] = [room.text(id), room.text(name)]
    parts.push({ type: 'tool_call', id: callId, name: callName, arguments: room.text(given) })
  }
  return { role, parts }
}

/** Of pictures, sounds and tokens nothing but that they were there. */
function partsOf(content: unknown, room: Room): object[] {
  const parts: object[] = []
  const given: unknown[] = Array.isArray(content) ? content : [content]
  for (const part of given) {
    if (part === undefined || part === null) continue
    if (!room.frame()) break
    if (typeof part === 'string') parts.push({ type: 'text', content: room.text(part) })
    else {
      const { type, text } = part as Fields
      const isText = typeof text === 'string'
      parts.push(isText ? { type: 'text', content: room.text(text) } : { type: room.text(type) })
    }
  }
  return parts
}

function textsOf(content: unknown, room: Room): string {
  if (typeof content === 'string') return room.text(content)
  const texts = (partsOf(content, room) as { content?: string }[]).map((part) => part.content ?? '')
  return texts.join('\n')
}
