/** What the parts of the schema compiler say about schemas and the values that they allow. */
import { GristmillError } from '../base/index.ts'

export type Schema = Record<string, unknown>

export const isSchema = (value: unknown): value is Schema =>
  typeof value === 'object' && value !== null && !Array.isArray(value)

export const unsupported = (feature: string, path: string) =>
  new GristmillError('unsupported_schema', {
    param: path.startsWith('#/tools/') ? 'tools' : 'response_format',
    feature,
    path,
  })

/** JSON Schema's word for what a value is; whole numbers are `integer`. */
export function typeOf(value: unknown): string {
  if (value === null) return 'null'
  if (Array.isArray(value)) return 'array'
  return Number.isInteger(value) ? 'integer' : typeof value
}

/** True where the schema's `type`, if any, allows the value. */
export function isOfType(value: unknown, { type }: Schema): boolean {
  if (type === undefined) return true
  const types: unknown[] = Array.isArray(type) ? type : [type]
  const own = typeOf(value)
  return types.includes(own) || (own === 'integer' && types.includes('number'))
}
