/** What a service billed, out of its file: a CSV of its own, or FOCUS. Pure. */
import { decimalOf } from '../base/index.ts'

/** A row as the admin API takes it. */
export interface BilledRow {
  day: string
  model: string
  key: string
  tokens: number | null
  amount: string
  rounding: string
}

/** What is read out of a file, and the names that columns have for it. */
export const billColumns = {
  day: ['day', 'date', 'usage_date', 'ChargePeriodStart'],
  model: ['model', 'model_name', 'ResourceName', 'ResourceId'],
  key: ['key', 'api_key', 'api_key_name', 'api_key_id'],
  tokens: ['tokens', 'total_tokens'],
  input: ['input_tokens', 'prompt_tokens'],
  output: ['output_tokens', 'completion_tokens'],
  cost: ['cost', 'amount', 'BilledCost'],
  quantity: ['ConsumedQuantity'],
  unit: ['ConsumedUnit'],
} as const
export type BillColumn = keyof typeof billColumns

export interface BillMapping {
  /** Columns that are named otherwise. */
  columns: Partial<Record<BillColumn, string>>
  /** Names of the service → ours. */
  models: ReadonlyMap<string, string>
  keys: ReadonlyMap<string, string>
}

/** Why a file is no bill, a sentence. */
export class BadBill extends Error {}

interface Sum {
  tokens: number | null
  nanos: bigint
  rows: number
}

const PLACES = 9

const needed = ['day', 'model', 'cost'] as const

/** Adds up rows of a bill by day, model and key. */
export class Bill {
  readonly #mapping: BillMapping
  readonly #at: Partial<Record<BillColumn, number>>
  readonly #sums = new Map<string, Sum>()
  #row = 1
  /** Of all costs; some are written shorter, since zeros at their end are left out. */
  #places = 0

  /** @throws BadBill where a column is missing */
  constructor(header: readonly string[], mapping: BillMapping) {
    this.#mapping = mapping
    this.#at = placesOf(header, mapping)
  }

  /** @throws BadBill where a row cannot be read */
  add(record: readonly string[]): void {
    this.#row++
    const text = (column: BillColumn) => record[this.#at[column] ?? -1]?.trim() ?? ''
    const { models, keys } = this.#mapping
    const day = this.#dayOf(text('day'))
    const model = models.get(text('model')) ?? text('model')
    const key = keys.get(text('key')) ?? text('key')
    const id = JSON.stringify([day, model, key])
    const sum = this.#sums.get(id) ?? { tokens: null, nanos: 0n, rows: 0 }
    const tokens = this.#tokensOf(text)
    if (tokens !== null) sum.tokens = (sum.tokens ?? 0) + tokens
    sum.nanos += this.#costOf(text('cost'))
    sum.rows++
    this.#sums.set(id, sum)
  }

  /** Each row of the file may be off by half of the last decimal that the file has. */
  rows(): BilledRow[] {
    const unit = 10n ** BigInt(Math.max(0, PLACES - this.#places))
    return [...this.#sums].map(([id, { tokens, nanos, rows }]) => {
      const [day, model, key] = JSON.parse(id) as [string, string, string]
      const rounding = decimalOf((unit * BigInt(rows) + 1n) / 2n)
      const amounts = { amount: decimalOf(nanos), rounding }
      return { day, model, key, tokens, ...amounts }
    })
  }

  #dayOf(text: string): string {
    const [day] = /^\d{4}-\d\d-\d\d/.exec(text) ?? []
    if (day === undefined) throw this.#bad(`\`${text}\` does not begin with a day as 2026-11-29`)
    return day
  }

  #tokensOf(text: (column: BillColumn) => string): number | null {
    const isTokens = /token/i.test(text('unit'))
    const counts = [text('tokens'), text('input'), text('output')]
    if (isTokens) counts.push(text('quantity'))
    const given = counts.filter((count) => count !== '').map(Number)
    if (given.length === 0) return null
    const sum = given.reduce((all, count) => all + count, 0)
    if (!Number.isSafeInteger(sum) || sum < 0) throw this.#bad('its tokens are not whole numbers')
    return sum
  }

  /** To the nearest nano. */
  #costOf(text: string): bigint {
    const [, sign, whole = '', decimals = '', exponent = '0'] =
      /^(-?)(\d{0,12})\.?(\d{0,30})(?:e([+-]?\d{1,2}))?$/i.exec(text) ?? []
    if (whole + decimals === '') throw this.#bad(`\`${text}\` is no amount`)
    const places = decimals.length - Number(exponent)
    this.#places = Math.max(this.#places, places)
    const size = toNanos(BigInt(whole + decimals), PLACES - places)
    return sign === '-' ? -size : size
  }

  #bad(reason: string): BadBill {
    return new BadBill(`Row ${this.#row}: ${reason}.`)
  }
}

function toNanos(digits: bigint, shift: number): bigint {
  if (shift >= 0) return digits * 10n ** BigInt(shift)
  const by = 10n ** BigInt(-shift)
  return (digits + by / 2n) / by
}

function placesOf(header: readonly string[], { columns }: BillMapping) {
  const names = header.map((name) => name.trim().toLowerCase())
  const at: Partial<Record<BillColumn, number>> = {}
  for (const column of Object.keys(billColumns) as BillColumn[]) {
    const asked = columns[column]
    const known = asked === undefined ? billColumns[column] : [asked]
    const place = known.map((name) => names.indexOf(name.toLowerCase())).find((one) => one >= 0)
    if (place !== undefined) at[column] = place
    else if (asked !== undefined || (needed as readonly string[]).includes(column)) {
      const hint = `name it: --column ${column}=NAME`
      throw new BadBill(`It has no column ${known.join(' or ')} (${hint}).`)
    }
  }
  return at
}
