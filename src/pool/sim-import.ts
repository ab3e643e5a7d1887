/**
 * Reads published traces in the forms their authors gave them into rows of a trace; pure. Which
 * form a file has is seen from its first line. What a form does not tell stays open: `tenant` is
 * empty where it names none.
 */
import { GristmillError, type ServiceClass } from '../base/index.ts'
import { type PrefixPart, parseTrace, type TraceRow, traceHeader } from './sim-trace.ts'

export type TraceFormat = 'gristmill' | 'azure' | 'mooncake' | 'arena' | 'lengths' | 'rates'

/** Tokens of one block of a prompt whose hash Mooncake's traces give. */
const BLOCK_TOKENS = 512

const HEADERS: Record<string, TraceFormat> = {
  'TIMESTAMP,ContextTokens,GeneratedTokens': 'azure',
  't_s,client,prompt_tokens,output_tokens': 'arena',
  'num_prefill_tokens,num_decode_tokens,num_total_tokens,pd_ratio': 'lengths',
  'window_start_s,client,req_per_s,iat_cv': 'rates',
}

/** @throws GristmillError `invalid_value` where the first line is of no known form */
export function traceFormat(text: string): TraceFormat {
  const first = (/^(?:\s*#.*\n)*([^\n]*)/.exec(text)?.[1] ?? '').trim()
  if (first.startsWith('{')) return 'mooncake'
  const known = HEADERS[first]
  if (known !== undefined) return known
  if (traceHeader.split(',').every((column) => column === 'prefix' || first.includes(column))) {
    return 'gristmill'
  }
  const reason = `the first line is that of no known trace; the own form begins with ${traceHeader}`
  throw new GristmillError('invalid_value', { param: 'trace', reason })
}

/**
 * Rows in order of time, from 0 on. Traces of rates have none: see `generateFromRates`.
 * @throws GristmillError `invalid_value` with the line that cannot be read
 */
export function importTrace(text: string, serviceClass: ServiceClass = 'standard'): TraceRow[] {
  const format = traceFormat(text)
  const rows = (() => {
    if (format === 'gristmill') return parseTrace(text)
    if (format === 'mooncake') return mooncakeRows(text, serviceClass)
    if (format === 'rates') {
      const reason = 'a trace of rates has no requests; sim-day draws some from it'
      throw new GristmillError('invalid_value', { param: 'trace', reason })
    }
    return cellsOf(text).map(({ cells, line }) => rowOf(format, cells, line, serviceClass))
  })()
  rows.sort((a, b) => a.atMs - b.atMs)
  const beginMs = rows[0]?.atMs ?? 0
  return rows.map((row) => ({ ...row, atMs: row.atMs - beginMs }))
}

function rowOf(
  format: 'azure' | 'arena' | 'lengths',
  cells: string[],
  line: number,
  serviceClass: ServiceClass,
): TraceRow {
  const [first = '', second = '', third = '', fourth = ''] = cells
  const count = (text: string) => numberAt(text, line)
  const row = { tenant: '', serviceClass, prefix: [] }
  if (format === 'azure') {
    return {
      ...row,
      atMs: utcMs(first, line),
      inputTokens: count(second),
      outputTokens: count(third),
    }
  }
  if (format === 'lengths') {
    return { ...row, atMs: 0, inputTokens: count(first), outputTokens: count(second) }
  }
  const lengths = { inputTokens: count(third), outputTokens: count(fourth) }
  return { ...row, ...lengths, atMs: count(first) * 1000, tenant: `client-${second}` }
}

interface MooncakeRow {
  atMs: number
  inputTokens: number
  outputTokens: number
  blocks: number[]
}

function mooncakeRows(text: string, serviceClass: ServiceClass): TraceRow[] {
  const rows: MooncakeRow[] = []
  text.split('\n').forEach((line, index) => {
    if (line.trim() !== '') rows.push(mooncakeRow(line, index + 1))
  })
  const uses = new Map<number, number>()
  for (const { blocks } of rows) {
    for (const block of blocks) uses.set(block, (uses.get(block) ?? 0) + 1)
  }
  return rows.map(({ blocks, ...row }) => {
    const prefix = partsOf(blocks, uses, row.inputTokens)
    return { ...row, tenant: '', serviceClass, prefix }
  })
}

function mooncakeRow(line: string, number: number): MooncakeRow {
  try {
    const value = JSON.parse(line) as Record<string, unknown>
    const { timestamp, input_length: input, output_length: output, hash_ids: ids } = value
    const all = [timestamp, input, output]
    if (all.every((one) => typeof one === 'number') && Array.isArray(ids)) {
      const [atMs, inputTokens, outputTokens] = all as [number, number, number]
      return { atMs, inputTokens, outputTokens, blocks: ids as number[] }
    }
  } catch (cause) {
    if (!(cause instanceof SyntaxError)) throw cause
  }
  return refuse(number, 'no timestamp, input_length, output_length and hash_ids')
}

/**
 * A hash names a block with all before it, so blocks in a row that are used equally often belong to
 * the same requests and are one part. What only one request uses is shared with nobody.
 */
function partsOf(
  blocks: readonly number[],
  uses: ReadonlyMap<number, number>,
  inputTokens: number,
): PrefixPart[] {
  const parts: PrefixPart[] = []
  let before = 0
  let left = inputTokens
  for (const block of blocks) {
    const count = uses.get(block) ?? 0
    if (count < 2 || left <= 0) break
    const tokens = Math.min(BLOCK_TOKENS, left)
    left -= tokens
    const last = parts.at(-1)
    if (last !== undefined && count === before) last.tokens += tokens
    else parts.push({ id: `${block}`, tokens })
    before = count
  }
  return parts
}

/** One client's requests per second within a window of time, and how bursty they come. */
export interface RateWindow {
  startMs: number
  client: string
  perS: number
  /** Coefficient of variation of the time between two requests. */
  variation: number
}

/** Quantiles of the lengths of one client's requests. */
export interface ClientLengths {
  client: string
  input: { p50: number; p90: number; p99: number }
  output: { p50: number; p90: number; p99: number }
}

/** Reads ServeGen's rates by window and client. */
export function parseRates(text: string): RateWindow[] {
  return cellsOf(text).map(({ cells: [start = '', client = '', rate = '', cv = ''], line }) => ({
    startMs: 1000 * numberAt(start, line),
    client,
    perS: numberAt(rate, line),
    variation: cv === '' ? 1 : numberAt(cv, line),
  }))
}

/** Reads ServeGen's table of clients for one model; clients without lengths are left out. */
export function parseClientLengths(text: string, model: string): ClientLengths[] {
  const columns = (text.slice(0, text.indexOf('\n')) || text).trim().split(',')
  const at = (cells: string[], name: string) => cells[columns.indexOf(name)] ?? ''
  return cellsOf(text).flatMap(({ cells, line }) => {
    if (at(cells, 'model') !== model || at(cells, 'in_p50') === '') return []
    const quantiles = (side: string) => ({
      p50: numberAt(at(cells, `${side}_p50`), line),
      p90: numberAt(at(cells, `${side}_p90`), line),
      p99: numberAt(at(cells, `${side}_p99`), line),
    })
    return { client: at(cells, 'client'), input: quantiles('in'), output: quantiles('out') }
  })
}

/** The lines after the header, split at commas. */
function cellsOf(text: string): { cells: string[]; line: number }[] {
  return text.split('\n').flatMap((one, index) => {
    const cells = one.trim().split(',')
    return index === 0 || one.trim() === '' ? [] : { cells, line: index + 1 }
  })
}

function numberAt(text: string, line: number): number {
  const value = Number(text)
  if (text === '' || !Number.isFinite(value) || value < 0) refuse(line, `"${text}" is no number`)
  return value
}

/** "2023-11-16 18:17:03.9799600" in UTC as milliseconds since the epoch. */
function utcMs(text: string, line: number): number {
  const value = Date.parse(`${text.trim().replace(' ', 'T').slice(0, 23)}Z`)
  if (Number.isNaN(value)) refuse(line, `"${text}" is no time`)
  return value
}

function refuse(line: number, reason: string): never {
  throw new GristmillError('invalid_value', { param: `line ${line}`, reason })
}
