/** JSON schemas of guards: whether a text is JSON of one. Its patterns take linear time as well. */
import { Ajv, type ValidateFunction } from 'ajv'
import { parsePattern } from './program.ts'

const regExp = Object.assign(
  (pattern: string) => {
    const parsed = parsePattern(pattern)
    return { test: (text: string) => parsed.test(text), source: pattern }
  },
  { code: 'guard patterns are not written as code' },
)

/** @throws Error in words about the schema */
export function compileSchema(schema: object): (text: string) => boolean {
  // References that lead out of the schema are errors: nothing is fetched.
  const ajv = new Ajv({ strict: false, validateFormats: false, code: { regExp } })
  const validate: ValidateFunction = ajv.compile(schema)
  return (text) => {
    let value: unknown
    try {
      value = JSON.parse(text)
    } catch (error) {
      if (error instanceof SyntaxError) return false
      throw error
    }
    return validate(value)
  }
}
