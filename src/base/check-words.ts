/**
 * What is said about a value that does not fit its schema: what is wrong, and what would be right,
 * never the value itself. A schema's own words go before these.
 */
import type { z } from 'zod'

const TYPES: Record<string, string> = {
  string: 'a string',
  number: 'a number',
  int: 'a whole number',
  bigint: 'a whole number',
  boolean: 'true or false',
  array: 'a list',
  object: 'an object',
  record: 'an object',
  null: 'null',
  date: 'a time',
}

const FORMATS: Record<string, string> = {
  email: 'an email address, such as anna@example.org',
  url: 'an address, such as https://example.org',
  datetime: 'a time, such as 2026-01-31T12:00:00Z',
  date: 'a day, such as 2026-01-31',
  uuid: 'a UUID',
  ipv4: 'an IPv4 address',
  ipv6: 'an IPv6 address',
  base64: 'base64',
}

const COUNTED: Record<string, string> = {
  string: 'characters',
  array: 'entries',
  object: 'fields',
  record: 'fields',
}

/** The words of one issue, as `z.config({ localeError })` takes them. */
export function inWords(issue: z.core.$ZodRawIssue): string {
  switch (issue.code) {
    case 'invalid_type':
      if (issue.input === undefined) return 'it is missing'
      return `it must be ${TYPES[issue.expected] ?? issue.expected}`
    case 'invalid_value':
      if (issue.input === undefined) return 'it is missing'
      return `it must be ${issue.values.length === 1 ? '' : 'one of '}${issue.values.map(String).join(', ')}`
    case 'too_small':
      return tooSmall(issue)
    case 'too_big':
      return tooBig(issue)
    case 'invalid_format':
      return `it must be ${FORMATS[issue.format] ?? `of the form ${issue.pattern ?? issue.format}`}`
    case 'invalid_key':
      return 'this name is not allowed here'
    case 'not_multiple_of':
      return `it must be a multiple of ${issue.divisor}`
    case 'unrecognized_keys':
      return 'there is no such field'
    case 'invalid_union':
      if (Array.isArray(issue.options) && issue.options.length > 0)
        return `it must be one of ${issue.options.map(String).join(', ')}`
      return 'it has none of the forms that are allowed here'
    default:
      return 'it is not valid'
  }
}

function tooSmall({
  origin,
  minimum,
  inclusive,
  exact,
}: z.core.$ZodRawIssue<z.core.$ZodIssueTooSmall>): string {
  const counted = COUNTED[origin]
  if (counted === undefined)
    return `it must be ${inclusive === false ? 'above' : 'at least'} ${minimum}`
  if (minimum === 1 && !exact) return 'it must not be empty'
  return `it must have ${exact ? 'exactly' : 'at least'} ${minimum} ${counted}`
}

function tooBig({
  origin,
  maximum,
  inclusive,
  exact,
}: z.core.$ZodRawIssue<z.core.$ZodIssueTooBig>): string {
  const counted = COUNTED[origin]
  if (counted === undefined)
    return `it must be ${inclusive === false ? 'below' : 'at most'} ${maximum}`
  return `it must have ${exact ? 'exactly' : 'at most'} ${maximum} ${counted}`
}
