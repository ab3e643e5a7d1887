/** Reading guards as people write them: every field, then the patterns and schemas themselves. */
import { z } from 'zod'
import type { Problem } from '../base/index.ts'
import { compileSchema } from './json-schema.ts'
import { piiEntities } from './pii.ts'
import { matchesNothing } from './program.ts'
import { TextSearch } from './text-search.ts'
import type { Guard } from './types.ts'

const GUARDS_MAX = 100
const PATTERNS_MAX = 100
const PATTERN_CHARACTERS_MAX = 1000
/** Instructions of all patterns of a guard: what a character may cost. */
const INSTRUCTIONS_MAX = 5000
const SCHEMA_CHARACTERS_MAX = 50_000
const TIMEOUT_MS_MAX = 30_000

const someNames = z.array(z.string().min(1).max(256)).min(1).max(1000)
const when = z.enum(['before', 'after'])
const action = z.enum(['refuse', 'redact']).default('refuse')
const base = {
  name: z
    .string()
    .max(64)
    .regex(/^[a-z0-9][a-z0-9_-]*$/, 'it must be of small letters, digits, - and _'),
  tenants: someNames.optional(),
  routes: someNames.optional(),
}

const guard = z.discriminatedUnion('kind', [
  z.strictObject({
    ...base,
    kind: z.literal('pattern'),
    when,
    action,
    patterns: z.array(z.string().min(1).max(PATTERN_CHARACTERS_MAX)).min(1).max(PATTERNS_MAX),
    replacement: z
      .string()
      .max(100)
      .regex(/^[^"\\\p{Cc}]*$/u, 'it may not contain quotes, backslashes or control characters')
      .default('[REDACTED]'),
  }),
  z.strictObject({
    ...base,
    kind: z.literal('pii'),
    when,
    action,
    entities: z
      .array(z.enum(piiEntities))
      .min(1)
      .default([...piiEntities]),
  }),
  z.strictObject({
    ...base,
    kind: z.literal('schema'),
    when: z.literal('after').default('after'),
    schema: z.record(z.string(), z.unknown()),
  }),
  z.strictObject({
    ...base,
    kind: z.literal('http'),
    when,
    url: z.url({ protocol: /^https?$/ }).max(2000),
    timeoutMs: z.number().int().min(10).max(TIMEOUT_MS_MAX).default(2000),
    onFailure: z.enum(['open', 'closed']),
  }),
])

/** Guards as they are written; what is left out has its usual value. */
export const guardsInput = z.array(guard).max(GUARDS_MAX)

/** What is wrong with guards whose fields are right. */
export function problemsAmongGuards(guards: readonly Guard[]): Problem[] {
  const names = new Set<string>()
  return guards.flatMap((one, index) => {
    const path = `guards.${index}`
    const problems = problemsInGuard(one).map(({ path: at, reason }) => {
      return { path: `${path}.${at}`, reason }
    })
    if (names.has(one.name)) {
      problems.push({ path: `${path}.name`, reason: `an earlier guard is called ${one.name}` })
    }
    names.add(one.name)
    return problems
  })
}

function problemsInGuard(one: Guard): Problem[] {
  if (one.kind === 'pattern') return problemsInPatterns(one)
  if (one.kind !== 'schema') return []
  if (JSON.stringify(one.schema).length > SCHEMA_CHARACTERS_MAX) {
    return [{ path: 'schema', reason: `it has more than ${SCHEMA_CHARACTERS_MAX} characters` }]
  }
  try {
    compileSchema(one.schema)
    return []
  } catch (error) {
    return [{ path: 'schema', reason: (error as Error).message }]
  }
}

function problemsInPatterns(one: Guard & { kind: 'pattern' }): Problem[] {
  let instructions = 0
  const problems = one.patterns.flatMap((pattern, index) => {
    const path = `patterns.${index}`
    try {
      const { program } = new TextSearch({ ...one, patterns: [pattern] })
      instructions += program.instructions.length
      return matchesNothing(program) ? [{ path, reason: 'it matches where nothing stands' }] : []
    } catch (error) {
      return [{ path, reason: (error as Error).message }]
    }
  })
  if (instructions > INSTRUCTIONS_MAX) {
    const reason = `they are too large together: ${instructions} steps of ${INSTRUCTIONS_MAX}`
    problems.push({ path: 'patterns', reason })
  }
  return problems
}
