/** The four limits that tenants and keys can have, as flags of the command line and in words. */
import { type Command, InvalidArgumentError } from 'commander'
import type { LimitsView } from '../http/index.ts'
import { count, duration } from './units.ts'
import { wholeNumber } from './values.ts'

type Bound = number | 'none'

export interface LimitFlags {
  concurrency?: Bound
  queueDepth?: Bound
  tokensPerMinute?: Bound
  maxWaitMs?: Bound
}

export function withLimitOptions(command: Command): Command {
  return command
    .option('--concurrency <n>', 'requests running at once, or "none"', bound)
    .option('--queue-depth <n>', 'requests waiting at once, or "none"', bound)
    .option('--tokens-per-minute <n>', 'prompt and output tokens in a minute, or "none"', bound)
    .option('--max-wait-ms <ms>', 'longest wait for an engine, or "none"', bound)
}

function bound(text: string): Bound {
  if (text === 'none') return text
  const value = wholeNumber(text)
  if (value === undefined) throw new InvalidArgumentError('Give a whole number, or "none".')
  return value
}

/** The field `limits` of a body; empty where no flag names one. */
export function limitsOf(flags: LimitFlags): { limits?: Record<string, number | null> } {
  const named = {
    concurrencyMax: flags.concurrency,
    queueDepthMax: flags.queueDepth,
    tokensPerMinute: flags.tokensPerMinute,
    waitMsMax: flags.maxWaitMs,
  }
  const limits = Object.entries(named).flatMap(([name, value]) =>
    value === undefined ? [] : [[name, value === 'none' ? null : value] as const],
  )
  return limits.length === 0 ? {} : { limits: Object.fromEntries(limits) }
}

/** The limits of a tenant or key as one line. */
export function limitsInWords(limits: LimitsView): string {
  const parts = [
    limits.concurrencyMax !== null && `${count(limits.concurrencyMax)} running`,
    limits.queueDepthMax !== null && `${count(limits.queueDepthMax)} waiting`,
    limits.tokensPerMinute !== null && `${count(limits.tokensPerMinute)} tokens/min`,
    limits.waitMsMax !== null && `waits ${duration(limits.waitMsMax)} at most`,
  ].filter((part) => part !== false)
  return parts.length === 0 ? 'none of its own' : parts.join(', ')
}
