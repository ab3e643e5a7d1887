/** Reading traces and engine profiles from files that somebody names on the command line. */
import { readFileSync, statSync } from 'node:fs'
import { GristmillError, type ServiceClass, seededRandom } from '../base/index.ts'
import {
  builtInProfiles,
  type EngineProfile,
  importTrace,
  parseProfile,
  splitTenants,
  type TraceRow,
} from '../pool/index.ts'
import { unreadable } from './named-file.ts'

/** A string in memory can be no longer than about this; larger traces are cut up beforehand. */
const FILE_BYTES_MAX = 500_000_000
const PROFILE_BYTES_MAX = 1_000_000

export interface TraceFileOptions {
  /** Tenants that the requests of a trace without any are split over. */
  tenants: number
  seed: number
  serviceClass?: ServiceClass
}

/** @throws GristmillError `invalid_value` where the file cannot be read or is no trace */
export function readTraceFile(path: string, options: TraceFileOptions): TraceRow[] {
  const rows = importTrace(readText(path, FILE_BYTES_MAX), options.serviceClass)
  if (rows.length === 0) throw wrong(path, 'it has no requests')
  const hasTenants = rows.some(({ tenant }) => tenant !== '')
  return hasTenants ? rows : splitTenants(rows, options.tenants, seededRandom(options.seed))
}

/** A built-in profile by name, or one from a JSON file. */
export function readProfile(named: string): EngineProfile {
  const found = builtInProfiles.find(({ name }) => name === named)
  if (found !== undefined) return found
  const names = builtInProfiles.map(({ name }) => name).join(', ')
  if (!named.endsWith('.json')) throw wrong(named, `engines are ${names}, or a JSON file`)
  const text = readText(named, PROFILE_BYTES_MAX)
  try {
    return parseProfile(JSON.parse(text))
  } catch (cause) {
    if (cause instanceof SyntaxError) throw wrong(named, `it is not JSON (${cause.message})`)
    throw cause
  }
}

function readText(path: string, bytesMax: number): string {
  try {
    const { size } = statSync(path)
    if (size > bytesMax) throw wrong(path, `it has ${size} bytes, of ${bytesMax} that can be read`)
    return readFileSync(path, 'utf8')
  } catch (cause) {
    throw unreadable(path, cause)
  }
}

const wrong = (param: string, reason: string) =>
  new GristmillError('invalid_value', { param, reason })
