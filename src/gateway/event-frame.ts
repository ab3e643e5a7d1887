/**
 * One event of an engine's stream: what it is, found by looking for its few telling places. Quotes
 * inside JSON strings are escaped, so these patterns cannot occur in generated text.
 */
import type { TokenCounts } from '../meter/index.ts'
import { jsonOrNull } from './json-text.ts'
import { parsedObject, usageCounts } from './usage.ts'

const LF = 10
const CR = 13

/**
 * Index after the event that begins at `from` (after its blank line), or -1 where it has no end.
 */
export function frameEnd(bytes: Buffer, from: number): number {
  for (let at = bytes.indexOf(LF, from); at !== -1; at = bytes.indexOf(LF, at + 1)) {
    const next = bytes[at + 1]
    if (next === LF) return at + 2
    if (next === CR && bytes[at + 2] === LF) return at + 3
  }
  return -1
}

export interface Frame {
  kind: 'comment' | 'done' | 'error' | 'event'
  /** True where it carries something generated. */
  hasContent: boolean
  /** True where it carries a finish reason. */
  finishes: boolean
  /** Usage, where it carries that. */
  usage: TokenCounts | null
  /** True where it carries usage and nothing else. */
  isUsageOnly: boolean
}

const CONTENT = /"(?:content|text|arguments|reasoning_content|reasoning|refusal)": ?"[^"]/
const CALL = /"tool_calls": ?\[\{/
const REASON = '"finish_reason"'
const GOES_ON = `${REASON}:null`
const FINISH = /"finish_reason": ?"/
const USAGE = /"usage": ?\{/
const NO_CHOICES = /"choices": ?\[\]/

const COMMENT: Frame = plain('comment')
const DONE: Frame = plain('done')
const ERROR: Frame = plain('error')
const CONTENT_ONLY: Frame = { ...plain('event'), hasContent: true }

/** @param text the event as Latin-1, in which every ASCII pattern is found where it is */
export function readFrame(text: string): Frame {
  if (!text.startsWith('data:')) return COMMENT
  const start = text.charCodeAt(5) === 0x20 ? 6 : 5
  if (text.startsWith('[DONE]', start)) return DONE
  if (text.startsWith('{"error"', start)) return ERROR
  const usage = USAGE.test(text) ? usageCounts(payload(text)?.usage) : null
  return {
    kind: 'event',
    hasContent: CONTENT.test(text) || CALL.test(text),
    finishes: hasFinish(text),
    usage,
    isUsageOnly: usage !== null && NO_CHOICES.test(text),
  }
}

/**
 * Reads the events of one stream. Nearly all of them carry content and differ in nothing else, so
 * what stands before and after it is remembered, which spares looking at each place again.
 */
export class FrameReader {
  #before = ''
  #after = ''

  /** As `readFrame`. */
  read(text: string): Frame {
    const from = this.#before.length
    // Slices, because they compare three times as fast as `startsWith` and `endsWith` look.
    if (from > 0 && text.slice(0, from) === this.#before) {
      // Content with an escaped quote in it is read in full.
      const end = text.indexOf('"', from)
      if (end > from && text.slice(end) === this.#after) return CONTENT_ONLY
    }
    const frame = readFrame(text)
    if (isContentOnly(frame)) this.#remember(text)
    return frame
  }

  #remember(text: string): void {
    const found = CONTENT.exec(text)
    // The pattern ends with the first character of the content.
    const from = found === null ? 0 : found.index + found[0].length - 1
    this.#before = text.slice(0, from)
    this.#after = text.slice(text.indexOf('"', from))
  }
}

function isContentOnly(frame: Frame): boolean {
  return frame.hasContent && !frame.finishes && frame.usage === null
}

function hasFinish(text: string): boolean {
  const at = text.indexOf(REASON)
  // The usual event names one choice, which goes on.
  if (at === text.lastIndexOf(REASON) && text.startsWith(GOES_ON, at)) return false
  return FINISH.test(text)
}

/** The JSON object of an event, or null where it is none. */
export function payload(text: string): Record<string, unknown> | null {
  return parsedObject(text.slice(text.indexOf(':') + 1))
}

/**
 * The event with the tier served as its first field, replacing one that an engine has put there.
 */
export function withTier(frame: Buffer, text: string, tier: string): Buffer {
  if (text.includes('"service_tier"')) {
    const fields = payload(frame.toString('utf8'))
    const own = fields && jsonOrNull({ ...fields, service_tier: tier })
    return own ? Buffer.from(`data: ${own}\n\n`) : frame
  }
  const brace = text.indexOf('{')
  if (brace === -1) return frame
  const rest = text.charCodeAt(brace + 1) === 0x7d ? '' : ','
  return Buffer.concat([
    frame.subarray(0, brace + 1),
    Buffer.from(`"service_tier":"${tier}"${rest}`),
    frame.subarray(brace + 1),
  ])
}

function plain(kind: Frame['kind']): Frame {
  return { kind, hasContent: false, finishes: false, usage: null, isUsageOnly: false }
}
