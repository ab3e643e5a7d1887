/** Checking what comes from outside against a zod schema, with errors that name the field. */
import { z } from 'zod'
import { inWords } from './check-words.ts'
import { GristmillError } from './errors.ts'

// A locale is zod's own place for this; it holds for every schema of the process.
z.config({ localeError: inWords })

/**
 * Of a list of millions, which a body may hold, every wrong entry would be put into words. zod
 * stops at the first for its own use only; a test holds it to that.
 */
const FIRST_ONLY: z.core.ParseContextInternal<z.core.$ZodIssue> = { abortEarly: true }

/** Parses `value` as far as to what is wrong first. */
export function tried<Schema extends z.ZodType>(schema: Schema, value: unknown) {
  return schema.safeParse(value, FIRST_ONLY)
}

/**
 * Parses `value` or says which field is wrong.
 * @throws GristmillError `invalid_value` with the first wrong field as `param`
 */
export function checked<Schema extends z.ZodType>(
  schema: Schema,
  value: unknown,
): z.output<Schema> {
  const result = tried(schema, value)
  if (result.success) return result.data
  throw invalidValue(result.error)
}

/** Something that is wrong with a document: where, as names and indices with dots, and what. */
export interface Problem {
  path: string
  reason: string
}

/** Everything that a zod error says. @param root where their paths begin */
export function problemsOf({ issues }: z.core.$ZodError, root: string[] = []): Problem[] {
  return issues.map((issue) => {
    const { path, reason } = told(issue)
    return { path: [...root, ...path].join('.'), reason: reason.replace(/\.$/, '') }
  })
}

/** A zod error as `invalid_value`, naming the first wrong field. */
export function invalidValue({ issues }: z.core.$ZodError): GristmillError {
  const { path, reason } = told(issues[0])
  const param = path.length === 0 ? 'body' : path.join('.')
  return new GristmillError('invalid_value', { param, reason: reason.replace(/\.$/, '') })
}

interface Told {
  path: PropertyKey[]
  reason: string
  /** True where the value is of the wrong kind altogether. */
  isKind: boolean
}

/** Where it is wrong and why; of several forms, none of which fits, what the nearest one says. */
function told(issue: z.core.$ZodIssue | undefined): Told {
  if (issue === undefined) return { path: [], reason: 'it is not valid', isKind: false }
  const { code, path, message: reason } = issue
  const isKind = code === 'invalid_type' || code === 'invalid_value'
  if (code === 'unrecognized_keys') {
    return { path: [...path, ...issue.keys.slice(0, 1)], reason, isKind }
  }
  if (code !== 'invalid_union' || issue.errors.length === 0) return { path, reason, isKind }
  const forms = issue.errors.map(([first]) => told(first))
  const nearest = forms.find((form) => !form.isKind) ?? forms.find((form) => form.path.length > 0)
  if (nearest !== undefined) return { ...nearest, path: [...path, ...nearest.path] }
  const kinds = new Set(forms.map((form) => form.reason.replace(/^it must be /, '')))
  // Nothing at all is missing in every form.
  if (kinds.size === 1) return { path, reason: forms[0]?.reason ?? reason, isKind: true }
  return { path, reason: `it must be ${[...kinds].join(' or ')}`, isKind: true }
}
