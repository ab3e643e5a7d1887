/**
 * The texts in a request or an answer: every string that is not the name of something. Nothing here
 * believes in the shape of what it walks through.
 */
import { digitsOf } from '../../base/index.ts'
import { type CanonicalRequest, invalid } from '../canonical.ts'
import { fieldsOf } from '../engine-words.ts'
import { jsonOf } from '../json-text.ts'
import { parsedInput } from '../usage.ts'

type Change = (text: string) => string

/** Fields of a request that a model reads as text. */
const TEXT_FIELDS = [
  'messages',
  'prompt',
  'suffix',
  'input',
  'documents',
  'input_prefix',
  'input_suffix',
]
/** The same in a form that no guard can read. */
const TOKEN_FIELDS = ['prompt_embeds', 'prompt_token_ids']
/** Names of things, and what is no text at all. */
const NO_TEXT = new Set([
  'role',
  'type',
  'id',
  'index',
  'tool_call_id',
  'name',
  'image_url',
  'input_audio',
  'video_url',
  'audio_url',
  'file',
  'cache_control',
  'detail',
])
const DEPTH_MAX = 64

/** @returns the texts of a request, in order */
export function textsOfRequest(request: CanonicalRequest): string[] {
  const { fields } = request
  for (const name of TOKEN_FIELDS) if (name in fields) throw unreadable(name)
  for (const name of ['prompt', 'input']) {
    const value = fields[name]
    const first: unknown = Array.isArray(value) ? value.flat()[0] : undefined
    if (typeof first === 'number') throw unreadable(name)
  }
  return collected((change) => changedFields(fields, change))
}

/** @param texts as `textsOfRequest` gave them, perhaps changed */
export function withTexts(request: CanonicalRequest, texts: readonly string[]): CanonicalRequest {
  const fields = changedFields(request.fields, inTurn(texts))
  return { ...request, fields, raw: Buffer.from(jsonOf(fields)) }
}

/** The texts in a value, in order. */
export const textsIn = (value: unknown) => collected((change) => changed(value, change))

/** @param texts as `textsIn` gave them, perhaps changed */
export const withTextsIn = (value: unknown, texts: readonly string[]) =>
  changed(value, inTurn(texts))

function collected(walk: (change: Change) => unknown): string[] {
  const texts: string[] = []
  walk((text) => {
    texts.push(text)
    return text
  })
  return texts
}

function inTurn(texts: readonly string[]): Change {
  let next = 0
  return (text) => texts[next++] ?? text
}

function changedFields(fields: Record<string, unknown>, change: Change) {
  const own = { ...fields }
  for (const name of TEXT_FIELDS) if (name in own) own[name] = changed(own[name], change)
  if ('tools' in own) own.tools = describedAnew(own.tools, change, 0)
  return own
}

/** Of tools only what they say of themselves: the rest is names and schemas. */
function describedAnew(value: unknown, change: Change, depth: number): unknown {
  if (typeof value !== 'object' || value === null || digitsOf(value) !== undefined) return value
  checkDepth(depth)
  if (Array.isArray(value)) return value.map((one) => describedAnew(one, change, depth + 1))
  const entries = Object.entries(value).map(([name, one]) => {
    const isText = name === 'description' && typeof one === 'string'
    return [name, isText ? change(one) : describedAnew(one, change, depth + 1)] as const
  })
  return Object.fromEntries(entries)
}

function changed(value: unknown, change: Change, depth = 0): unknown {
  if (typeof value === 'string') return change(value)
  if (typeof value !== 'object' || value === null) return value
  checkDepth(depth)
  if (Array.isArray(value)) return value.map((one) => changed(one, change, depth + 1))
  const entries = Object.entries(value).map(([name, one]) => {
    if (NO_TEXT.has(name)) return [name, one] as const
    const isJson = name === 'arguments' && typeof one === 'string'
    return [name, isJson ? changedJson(one, change) : changed(one, change, depth + 1)] as const
  })
  return Object.fromEntries(entries)
}

/** Arguments of a call: JSON in a string, of which every value is a text, numbers too. */
function changedJson(text: string, change: Change): string {
  const value = parsedInput(text)
  if (value === null) return change(text)
  let isChanged = false
  const noting: Change = (one) => {
    const own = change(one)
    if (own !== one) isChanged = true
    return own
  }
  const own = changedLeaves(value, noting, 0)
  return isChanged ? jsonOf(own) : text
}

function changedLeaves(value: unknown, change: Change, depth: number): unknown {
  if (typeof value === 'string') return change(value)
  const digits = digitsOf(value)
  if (typeof value === 'number' || digits !== undefined) {
    const text = digits ?? String(value)
    const own = change(text)
    return own === text ? value : own
  }
  if (typeof value !== 'object' || value === null) return value
  checkDepth(depth)
  if (Array.isArray(value)) return value.map((one) => changedLeaves(one, change, depth + 1))
  const entries = Object.entries(fieldsOf(value))
  return Object.fromEntries(
    entries.map(([name, one]) => [name, changedLeaves(one, change, depth + 1)]),
  )
}

function checkDepth(depth: number): void {
  if (depth > DEPTH_MAX) throw invalid('body', `it is nested deeper than ${DEPTH_MAX}`)
}

const unreadable = (param: string) => invalid(param, 'a guard reads texts, not tokens')
