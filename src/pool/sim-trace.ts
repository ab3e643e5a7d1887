/**
 * A trace: who asked when for how much, without a word of what was asked. Its one CSV form
 * (docs/traces.md), read and written here; pure.
 */
import { GristmillError, type ServiceClass, serviceClasses } from '../base/index.ts'

/** Leading part of a prompt that others may share; equal ids of one tenant mean equal tokens. */
export interface PrefixPart {
  id: string
  tokens: number
}

export interface TraceRow {
  /** Milliseconds since the trace began. */
  atMs: number
  tenant: string
  serviceClass: ServiceClass
  inputTokens: number
  outputTokens: number
  /** From the start of the prompt on; empty where nothing is known to be shared. */
  prefix: readonly PrefixPart[]
}

export const TRACE_COLUMNS = ['time_s', 'tenant', 'class', 'input', 'output', 'prefix'] as const

/** Bounds of what is read, so that a wrong file is refused instead of filling the memory. */
const TOKENS_MAX = 10_000_000
const PREFIX_PARTS_MAX = 4096
const NO_PREFIX: readonly PrefixPart[] = []

/**
 * Reads the CSV form line by line, so that a file of any length can be streamed.
 * @throws GristmillError `invalid_value` with the number of the line that is wrong
 */
export class TraceReader {
  #columns: number[] | undefined
  #line = 0
  readonly #names = new Map<string, string>()

  /** @returns the row, or undefined for the header, an empty line or a remark (`#`) */
  read(line: string): TraceRow | undefined {
    this.#line++
    const text = line.trim()
    if (text === '' || text.startsWith('#')) return undefined
    const cells = text.split(',')
    if (this.#columns === undefined) {
      this.#columns = this.#header(cells)
      return undefined
    }
    const [time, tenant, serviceClass, input, output, prefix] = this.#columns.map(
      (at) => cells[at]?.trim() ?? '',
    ) as [string, string, string, string, string, string]
    if (!serviceClasses.some((known) => known === serviceClass)) {
      this.#refuse(`"${serviceClass}" is no class: ${serviceClasses.join(', ')}`)
    }
    if (tenant === '') this.#refuse('the tenant is missing')
    return {
      atMs: this.#number(time, 'time_s') * 1000,
      tenant: this.#name(tenant),
      serviceClass: serviceClass as ServiceClass,
      inputTokens: this.#tokens(input, 'input'),
      outputTokens: this.#tokens(output, 'output'),
      prefix: this.#prefix(prefix),
    }
  }

  #header(cells: string[]): number[] {
    const names = cells.map((cell) => cell.trim())
    const columns = TRACE_COLUMNS.map((column) => names.indexOf(column))
    const missing = TRACE_COLUMNS.filter((name, i) => columns[i] === -1 && name !== 'prefix')
    if (missing.length > 0) {
      this.#refuse(
        `the first line must name ${TRACE_COLUMNS.join(',')}; it lacks ${missing.join(', ')}`,
      )
    }
    return columns
  }

  /** One string per tenant, however many rows name it. */
  #name(name: string): string {
    const known = this.#names.get(name)
    if (known !== undefined) return known
    this.#names.set(name, name)
    return name
  }

  #prefix(text: string): readonly PrefixPart[] {
    if (text === '') return NO_PREFIX
    const parts = text.split('/').map((part) => {
      const colon = part.lastIndexOf(':')
      if (colon < 1) this.#refuse(`the prefix "${part}" is not of the form id:tokens`)
      return { id: part.slice(0, colon), tokens: this.#tokens(part.slice(colon + 1), 'prefix') }
    })
    if (parts.length > PREFIX_PARTS_MAX) this.#refuse(`more than ${PREFIX_PARTS_MAX} prefix parts`)
    return parts
  }

  #tokens(text: string, column: string): number {
    const value = this.#number(text, column)
    if (!Number.isInteger(value) || value > TOKENS_MAX) {
      this.#refuse(`${column} must be a whole number up to ${TOKENS_MAX}, not "${text}"`)
    }
    return value
  }

  #number(text: string, column: string): number {
    const value = Number(text)
    if (text === '' || !Number.isFinite(value) || value < 0) {
      this.#refuse(`${column} must be a number from 0, not "${text}"`)
    }
    return value
  }

  #refuse(reason: string): never {
    throw new GristmillError('invalid_value', { param: `line ${this.#line}`, reason })
  }
}

/** Reads a whole trace; rows come out in order of time. */
export function parseTrace(text: string): TraceRow[] {
  const reader = new TraceReader()
  const rows = text.split('\n').flatMap((line) => reader.read(line) ?? [])
  return rows.sort((a, b) => a.atMs - b.atMs)
}

export const traceHeader = TRACE_COLUMNS.join(',')

/** One row as a line of CSV, without its end. */
export function traceLine(row: TraceRow): string {
  const prefix = row.prefix.map(({ id, tokens }) => `${id}:${tokens}`).join('/')
  const time = (row.atMs / 1000).toFixed(3)
  const tenant = plain(row.tenant)
  return `${time},${tenant},${row.serviceClass},${row.inputTokens},${row.outputTokens},${prefix}`
}

/** Names that cannot end a cell or a line. */
const plain = (name: string) => name.replace(/[\s,"#]/g, '_') || '_'
