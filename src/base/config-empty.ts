/** What is set to nothing, as Compose files do with what they are not told. */
import type { z } from 'zod'
import type { Environment } from './config-sources.ts'

/**
 * Without the variables that would be taken for 0 or off where they are empty; those that have to
 * say something are left, to be refused.
 */
export function withoutEmpty(
  environment: Environment,
  shape: Readonly<Record<string, z.ZodType>>,
): Environment {
  const isTaken = (name: string) => shape[name]?.safeParse('').success
  const set = Object.entries(environment).filter(([name, value]) => value !== '' || !isTaken(name))
  return Object.fromEntries(set)
}
