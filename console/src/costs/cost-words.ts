/** What lines of a chargeback are for, in words. */

const kinds: Record<string, string> = {
  entitled: 'Within its share',
  borrowed: 'Above its share',
  rented: 'Rented work',
}

const causes: Record<string, string> = {
  free: 'free places',
  drained: 'free while draining',
  loading: 'loading',
  down: 'down',
  calibration: 'calibration',
  unmeasured: 'not measured',
  client_gone: 'given up by callers',
  engine_failed: 'engine failed',
  timeout: 'timed out',
  shutdown: 'gateway stopped',
}

export const causeInWords = (cause: string) => causes[cause] ?? cause.replaceAll('_', ' ')

/** @param end as `costFlows` names it: a kind, or `wasted` or `idle` with a cause */
export function endInWords(end: string): string {
  const [first = '', cause] = end.split(' ')
  if (cause === undefined) return kinds[first] ?? first
  const words = causeInWords(cause)
  return words.charAt(0).toUpperCase() + words.slice(1)
}

export const definitions = {
  entitled: 'Use within the tenant’s share of the engine by weight, minute by minute',
  borrowed: 'Use above its share, while others did not use theirs',
  lent: 'Engine time of its share that others used and paid for',
  wasted: 'Engine time for answers that its own callers gave up',
  shared: 'Its part of what was nobody’s: idle or broken engines, and what these lost',
  overflow: 'Work of rented services, at their prices',
  saved: 'Tokens that no engine worked for again: cached prompt tokens, and tokens of kept answers',
}

/** The title of the card and of what it becomes. */
export const COMPARED = 'What it would have cost elsewhere'
