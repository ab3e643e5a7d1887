/**
 * Where the values of the configuration come from: the environment, before it a file of
 * `NAME=value` lines, and files that hold one secret each. Says of every name which it was.
 */
import { readFileSync } from 'node:fs'
import { parseEnv } from 'node:util'

export type Environment = Record<string, string | undefined>

/** Names the file of settings. */
export const CONFIG_FILE = 'GRISTMILL_CONFIG'

/** Of these, `NAME_FILE` names a file that holds the value. */
export const secrets = [
  'DATABASE_URL',
  'GRISTMILL_CONTENT_KEY',
  'GRISTMILL_SECRET_KEY',
  'GRISTMILL_SECRET_KEY_BEFORE',
  'GRISTMILL_OIDC_CLIENT_SECRET',
  'OTEL_EXPORTER_OTLP_HEADERS',
  'GRISTMILL_SMTP_PASSWORD',
  'HF_TOKEN',
  'GRISTMILL_API_KEY',
] as const

export interface Gathered {
  environment: Environment
  /** Of every name that is set: `environment`, or the path of a file. */
  origins: Map<string, string>
  /** What could not be read or contradicts itself, in words. */
  wrong: string[]
  /** Names that look like ours and mean nothing. */
  unknown: string[]
}

/** @param known the names that mean something */
export function gather(given: Environment, known: ReadonlySet<string>): Gathered {
  const wrong: string[] = []
  const environment: Environment = { ...given }
  const origins = new Map<string, string>()
  const isKnown = (name: string) =>
    known.has(name) || secrets.some((secret) => name === `${secret}_FILE`)
  for (const name of Object.keys(given)) {
    if (isKnown(name) && given[name] !== undefined) origins.set(name, 'environment')
  }
  const path = given[CONFIG_FILE]
  if (path) {
    for (const [name, value] of Object.entries(parseEnv(readText(path, CONFIG_FILE, wrong)))) {
      if (!isKnown(name) || name === CONFIG_FILE)
        wrong.push(`${name}: ${path} sets it; there is no such variable`)
      if (environment[name] !== undefined) continue
      environment[name] = value
      origins.set(name, path)
    }
  }
  for (const name of secrets) {
    const file = environment[`${name}_FILE`]
    if (!file) continue
    if (environment[name] !== undefined) wrong.push(`${name}: it is set, and so is ${name}_FILE`)
    environment[name] = readText(file, `${name}_FILE`, wrong).trim()
    origins.set(name, file)
  }
  const unknown = Object.keys(given).filter(
    (name) => /^GRISTMILL_(?!TEST_)/.test(name) && !isKnown(name),
  )
  return { environment, origins, wrong, unknown }
}

function readText(path: string, name: string, wrong: string[]): string {
  try {
    return readFileSync(path, 'utf8')
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    wrong.push(`${name}: ${path} cannot be read (${code ?? 'unknown'})`)
    return ''
  }
}
