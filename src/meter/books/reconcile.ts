/** What a service billed beside what the ledger has, line by line. Pure. */

/** Work of a day (UTC) of a model by one key. */
export interface BilledUse {
  /** Such as 2026-11-29. */
  day: string
  model: string
  /** Name of the engine whose key it is; empty where no keys are told apart. */
  key: string
  /** Read and written; null where the file does not say. */
  tokens: number | null
  nanos: bigint
  /** By how much the amount may be off because it was rounded, nanos. */
  roundingNanos: bigint
}

export interface OwnUse extends Pick<BilledUse, 'day' | 'model' | 'key' | 'nanos'> {
  requests: number
  tokens: number
}

export const differenceClasses = [
  ...['matched', 'missing_here', 'missing_there', 'price', 'tokens'],
] as const satisfies string[]
export type DifferenceClass =
  | 'matched'
  /** Billed, but not on the ledger. */
  | 'missing_here'
  /** On the ledger, but not billed. */
  | 'missing_there'
  /** As many tokens, another amount. */
  | 'price'
  | 'tokens'

export interface ReconciledLine extends Pick<BilledUse, 'day' | 'model' | 'key'> {
  class: DifferenceClass
  ours: OwnUse | null
  theirs: BilledUse | null
}

/**
 * Compares both sides; several rows of a day, model and key are one line.
 * @param theirs where no row has a key, those of ours are not told apart either
 * @returns lines in the order of day, model and key
 */
export function reconcile(ours: readonly OwnUse[], theirs: readonly BilledUse[]): ReconciledLine[] {
  const hasKeys = theirs.some(({ key }) => key !== '')
  const lines = new Map<string, { ours: OwnUse | null; theirs: BilledUse | null }>()
  const lineOf = ({ day, model, key }: Pick<BilledUse, 'day' | 'model' | 'key'>) => {
    const id = JSON.stringify([day, model, key])
    const line = lines.get(id) ?? { ours: null, theirs: null }
    lines.set(id, line)
    return line
  }
  for (const given of ours) {
    const use = hasKeys ? given : { ...given, key: '' }
    const line = lineOf(use)
    line.ours = line.ours === null ? use : addOwn(line.ours, use)
  }
  for (const use of theirs) {
    const line = lineOf(use)
    line.theirs = line.theirs === null ? use : addBilled(line.theirs, use)
  }
  return [...lines]
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([id, line]) => {
      const [day, model, key] = JSON.parse(id) as [string, string, string]
      return { day, model, key, class: classOf(line), ...line }
    })
}

const addOwn = (a: OwnUse, b: OwnUse): OwnUse => ({
  ...a,
  requests: a.requests + b.requests,
  tokens: a.tokens + b.tokens,
  nanos: a.nanos + b.nanos,
})

const addBilled = (a: BilledUse, b: BilledUse): BilledUse => ({
  ...a,
  // Rows of input and output, say; one that has no tokens adds none.
  tokens: a.tokens === null && b.tokens === null ? null : (a.tokens ?? 0) + (b.tokens ?? 0),
  nanos: a.nanos + b.nanos,
  roundingNanos: a.roundingNanos + b.roundingNanos,
})

function classOf({ ours, theirs }: Pick<ReconciledLine, 'ours' | 'theirs'>): DifferenceClass {
  if (ours === null) return 'missing_here'
  if (theirs === null) return 'missing_there'
  if (theirs.tokens !== null && theirs.tokens !== ours.tokens) return 'tokens'
  const off = theirs.nanos - ours.nanos
  return (off < 0n ? -off : off) > theirs.roundingNanos ? 'price' : 'matched'
}
