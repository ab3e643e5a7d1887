/** The limits as they are set, within what each may be. */
import type { Environment } from './config-sources.ts'
import { type LimitEntry, type Limits, limitTable } from './limits.ts'

export function readLimits(environment: Environment): { values: Limits; wrong: string[] } {
  const wrong: string[] = []
  const values = Object.fromEntries(
    Object.entries(limitTable).map(([name, entry]) => {
      const text = environment[entry.env]
      if (text === undefined || text === '') return [name, entry.default]
      const value = Number(text)
      const fault = faultOf(value, entry)
      if (fault !== undefined) {
        wrong.push(`${entry.env}: ${text} is ${fault}, it may be ${entry.least} to ${entry.most}`)
      }
      return [name, value]
    }),
  ) as Limits
  return { values, wrong }
}

function faultOf(value: number, { least, most }: LimitEntry): string | undefined {
  if (!Number.isInteger(value)) return 'not a whole number'
  if (value < least) return 'too little'
  return value > most ? 'too much' : undefined
}
