/** Parsing of values on the command line, with a sentence on what is expected. */
import { InvalidArgumentError } from 'commander'
import { nanosOf } from '../base/index.ts'
import type { PlanChange } from '../pool/index.ts'

/** A positive number, such as a weight. */
export function positive(text: string): number {
  const value = Number(text)
  if (text.trim() !== '' && Number.isFinite(value) && value > 0) return value
  throw new InvalidArgumentError('Give a number above 0.')
}

/** A whole number from 0 on, or undefined where it is none. */
export function wholeNumber(text: string): number | undefined {
  const value = Number(text)
  return /^\d+$/.test(text) && Number.isSafeInteger(value) ? value : undefined
}

/** A whole number from `min` to `max`. */
export function between(min: number, max: number): (text: string) => number {
  return (text) => {
    const value = wholeNumber(text)
    if (value !== undefined && value >= min && value <= max) return value
    throw new InvalidArgumentError(`Give a whole number from ${min} to ${max}.`)
  }
}

/** Comma-separated words. */
export function list(text: string): string[] {
  const words = text
    .split(',')
    .map((word) => word.trim())
    .filter(Boolean)
  if (words.length === 0) throw new InvalidArgumentError('Give at least one, comma-separated.')
  return words
}

/** A date or time as ISO text; a date alone means its beginning here. */
export function time(text: string): string {
  const [day, ofMonth] = /^\d{4}-\d\d-(\d\d)/.exec(text) ?? []
  const at = new Date(day === text ? `${text}T00:00` : text)
  // Of a day that its month has not, JavaScript makes one of the next month.
  const isDay = day === undefined || new Date(`${day}T00:00Z`).getUTCDate() === Number(ofMonth)
  if (!/^\d{4}-/.test(text) || Number.isNaN(at.getTime()) || !isDay) {
    throw new InvalidArgumentError('Give a date such as 2026-11-23 or a time as 2026-11-23T09:30.')
  }
  return at.toISOString()
}

/** A month in UTC, `2026-11`, as its beginning and its end. */
export function month(text: string): { from: string; to: string } {
  const [, year, number] = /^(\d{4})-(0[1-9]|1[0-2])$/.exec(text) ?? []
  if (number === undefined) throw new InvalidArgumentError('Give a month such as 2026-11.')
  const at = (more: number) => new Date(Date.UTC(Number(year), Number(number) - 1 + more))
  return { from: at(0).toISOString(), to: at(1).toISOString() }
}

/** A decimal of money. */
export function amount(text: string): string {
  if (nanosOf(text) !== undefined) return text
  throw new InvalidArgumentError('Give an amount such as 2.10, with up to nine decimals.')
}

/** From how many to how many: `0.9-1.2`. */
export function tokenFactor(text: string): { low: string; high: string } {
  const [, low, high] = /^(\d+(?:\.\d+)?)-(\d+(?:\.\d+)?)$/.exec(text) ?? []
  if (low !== undefined && high !== undefined && Number(low) <= Number(high)) return { low, high }
  throw new InvalidArgumentError('Give two factors such as 0.9-1.2.')
}

/** The number of a statement, as it stands in an address. */
export function statementNumber(text: string): number {
  const value = wholeNumber(text)
  if (value !== undefined && value > 0) return value
  throw new InvalidArgumentError('Give the number of a statement.')
}

/** How long: `90s`, `30min`, `24h`, `30d`; in seconds. */
export function span(text: string): number {
  const [, number, unit = ''] = /^(\d+)\s*(s|min|h|d)$/.exec(text) ?? []
  const seconds = { s: 1, min: 60, h: 3600, d: 86_400 }[unit]
  if (number === undefined || seconds === undefined) {
    throw new InvalidArgumentError('Give a span such as 90s, 30min, 24h or 30d.')
  }
  return Number(number) * seconds
}

/** A question about a plan: `load=2`, `tenant=NAME`, `engines=+1` or `engines=-1`. */
export function planChange(text: string): PlanChange {
  const [, kind, value = ''] = /^(load|tenant|engines)=(.+)$/.exec(text) ?? []
  const number = Number(value)
  if (kind === 'tenant') return { kind, like: value }
  if (kind === 'load' && number > 0) return { kind, factor: number }
  if (kind === 'engines' && Number.isSafeInteger(number)) return { kind, more: number }
  throw new InvalidArgumentError('Give load=2, tenant=NAME or engines=+1.')
}
