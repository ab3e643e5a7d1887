/** Strings and numbers of a JSON Schema as rules of a grammar. */
import { FORMAT_RULES, repeated } from './grammar-rules.ts'
import { type Bound, integerRange, isSpelled, numberRange } from './number-range.ts'
import { PatternError, patternRule } from './pattern-grammar.ts'
import { type Schema, unsupported } from './schema-types.ts'

const LENGTH_MAX = 2000

export function stringRule(schema: Schema, path: string): string {
  const { format, pattern } = schema
  const min = bound(schema.minLength, path, 'minLength')
  const max = bound(schema.maxLength, path, 'maxLength')
  // llama.cpp would count from one to the other until memory ends.
  if (max !== undefined && max < (min ?? 0)) throw unsupported('maxLength below minLength', path)
  const hasLength = min !== undefined || max !== undefined
  if (pattern !== undefined && format !== undefined) throw unsupported('pattern with format', path)
  if (pattern !== undefined) {
    if (hasLength) throw unsupported('pattern with a length', path)
    return `"\\"" ${patterned(String(pattern), path)} "\\""`
  }
  if (format === undefined)
    return hasLength ? `"\\"" ${repeated('char', min ?? 0, max)} "\\""` : 'string'
  const rule = FORMAT_RULES[String(format)]
  if (rule === undefined) throw unsupported(`format ${JSON.stringify(format)}`, path)
  if (hasLength) throw unsupported('format with a length', path)
  return `"\\"" ${rule} "\\""`
}

function patterned(pattern: string, path: string): string {
  try {
    return patternRule(pattern)
  } catch (error) {
    if (error instanceof PatternError) throw unsupported(error.message, path)
    throw error
  }
}

/** @throws GristmillError `unsupported_schema` where there is no such integer */
export function integerRule(schema: Schema, path: string): string {
  const { low, high } = limits(schema, path)
  if (!low && !high) return 'integer'
  const min = low && (low.isStrict ? Math.floor(low.value) + 1 : Math.ceil(low.value))
  const max = high && (high.isStrict ? Math.ceil(high.value) - 1 : Math.floor(high.value))
  const rule = integerRange(min, max)
  if (rule === undefined) throw unsupported('this range of integers', path)
  return rule
}

/** @throws GristmillError `unsupported_schema` where there is no such number */
export function numberRule(schema: Schema, path: string): string {
  const { low, high } = limits(schema, path)
  if (!low && !high) return 'number'
  const isTold = [low, high].every((edge) => !edge || isSpelled(edge.value))
  const rule = isTold ? numberRange(low, high) : undefined
  if (rule === undefined) throw unsupported('this range of numbers', path)
  return rule
}

/**
 * The tighter bound of each side; undefined without. Schema libraries write as bounds that a number
 * must be one that JavaScript knows, which is more than our digits can exceed.
 */
function limits(schema: Schema, path: string): { low: Bound | undefined; high: Bound | undefined } {
  const limit = (keyword: string, isStrict: boolean): Bound[] => {
    const value = schema[keyword]
    if (value === undefined) return []
    if (typeof value !== 'number') throw unsupported(`${keyword} that is no number`, path)
    return [{ value, isStrict }]
  }
  const lows = [...limit('minimum', false), ...limit('exclusiveMinimum', true)]
  const highs = [...limit('maximum', false), ...limit('exclusiveMaximum', true)]
  const known = Number.MAX_SAFE_INTEGER
  const [low] = lows.sort((a, b) => b.value - a.value || Number(b.isStrict) - Number(a.isStrict))
  const [high] = highs.sort((a, b) => a.value - b.value || Number(b.isStrict) - Number(a.isStrict))
  return {
    low: low && low.value > -known ? low : undefined,
    high: high && high.value < known ? high : undefined,
  }
}

/** A whole number of a schema. @throws GristmillError where it is something else */
export function bound(
  value: unknown,
  path: string,
  keyword: string,
  most = LENGTH_MAX,
): number | undefined {
  if (value === undefined) return undefined
  if (typeof value === 'number' && Number.isInteger(value) && value >= 0 && value <= most)
    return value
  throw unsupported(`${keyword} outside 0 to ${most}`, path)
}
