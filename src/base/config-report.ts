/** The configuration as people look at it. */
import { configurationNames, examineConfig } from './config.ts'
import { type Environment, gather, secrets } from './config-sources.ts'

/** What is set, for people: secrets are named and not shown. */
export interface ConfigReport {
  values: { name: string; value: string; origin: string }[]
  /** Everything that is wrong, a sentence each. */
  wrong: string[]
  /** Names in the environment that look like ours and mean nothing. */
  unknown: string[]
}

/** Looks at a configuration without using it. */
export function reportConfig(given: Environment): ConfigReport {
  const gathered = gather(given, configurationNames())
  const { environment, origins, unknown } = gathered
  const hidden = new Set<string>(secrets)
  const values = [...origins].map(([name, origin]) => ({
    name,
    value: hidden.has(name) ? '(secret)' : (environment[name] ?? ''),
    origin,
  }))
  values.sort((a, b) => (a.name < b.name ? -1 : 1))
  return { values, unknown, wrong: examineConfig(gathered).wrong }
}
