/** What a tenant used of an engine: within its share, above it, lent to others, for nothing. */
import { Sharing } from '../../base/index.ts'
import type { ChargeKind, EngineMinute } from './chargeback-types.ts'
import { addTo, type CostSpan, LENT_SCALE, type Use } from './cost-span.ts'

/** Ends that a tenant's own callers bring about; all others are the engine's or the operator's. */
const ownCauses: ReadonlySet<string> = new Set(['client_gone'])

/** Adds a minute: use up to the share by weight of what could be used then, and above it. */
export function addUse(span: CostSpan, { idle, registeredUs, tenants }: EngineMinute): void {
  const { weights, uses } = span
  const without = (['loading', 'down', 'unmeasured'] as const).map((cause) => idle.get(cause) ?? 0n)
  const usableUs = without.reduce((rest, us) => rest - us, registeredUs)
  const shareOf = (tenantId: string) =>
    weights.total === 0n ? 0n : (usableUs * (weights.of.get(tenantId) ?? 0n)) / weights.total
  let entitledUs = 0n
  let borrowedUs = 0n
  for (const { tenantId, usedUs, microUnits, waste } of tenants) {
    const use = ofTenant(uses, tenantId)
    const shareUs = shareOf(tenantId)
    const within = lesser(usedUs, shareUs)
    use.usedUs += usedUs
    use.entitledUs += within
    use.microUnits += microUnits
    for (const [cause, units] of waste) addTo(use.waste, cause, units)
    entitledUs += within
    borrowedUs += usedUs - within
  }
  const unusedUs = usableUs - entitledUs
  if (borrowedUs === 0n || unusedUs <= 0n || weights.total === 0n) return
  // All lend in proportion to what they leave; of nearly all that is their whole share.
  const byWeight = (borrowedUs * usableUs * LENT_SCALE) / (unusedUs * weights.total)
  span.lentByWeight += byWeight
  for (const { tenantId, usedUs } of tenants) {
    const shareUs = shareOf(tenantId)
    const left = shareUs - lesser(usedUs, shareUs)
    const weight = weights.of.get(tenantId) ?? 0n
    ofTenant(uses, tenantId).lent += (borrowedUs * left * LENT_SCALE) / unusedUs - byWeight * weight
  }
}

// `Math.min` takes no bigint.
function lesser(a: bigint, b: bigint): bigint {
  if (a < b) return a
  return b
}

/** Adds what minutes came to. */
export function addSums(uses: Map<string, Use>, tenantId: string, more: Use): void {
  const use = ofTenant(uses, tenantId)
  use.usedUs += more.usedUs
  use.entitledUs += more.entitledUs
  use.lent += more.lent
  use.microUnits += more.microUnits
  for (const [cause, units] of more.waste) addTo(use.waste, cause, units)
}

function ofTenant(uses: Map<string, Use>, tenantId: string): Use {
  let use = uses.get(tenantId)
  if (use === undefined) {
    const none = { usedUs: 0n, entitledUs: 0n, lent: 0n, microUnits: 0n }
    use = { ...none, waste: new Map<string, bigint>() }
    uses.set(tenantId, use)
  }
  return use
}

interface UseLine {
  kind: ChargeKind
  cause: string
  us: bigint
  nanos: bigint
}

/**
 * A tenant's cost by what it was for. Time is as wasted as the service that was received in it.
 * @param nanos what its time cost
 */
export function* linesOf(use: Use, nanos: bigint): Generator<UseLine> {
  const { usedUs, entitledUs, microUnits, waste } = use
  const wasted = [...waste.values()].reduce((sum, units) => sum + units, 0n)
  const all = [microUnits, wasted, 1n].reduce((most, value) => (value > most ? value : most))
  const parts = new Map([
    ['entitled', entitledUs * (all - wasted)],
    ['borrowed', (usedUs - entitledUs) * (all - wasted)],
    ...[...waste].map(([cause, units]) => [`wasted ${cause}`, usedUs * units] as const),
  ])
  const sharing = new Sharing(parts)
  const times = sharing.shareOut(usedUs)
  for (const [at, share] of sharing.shareOut(nanos).entries()) {
    const [kind, cause = ''] = (sharing.names[at] as string).split(' ') as [ChargeKind, string?]
    const isTheirs = kind !== 'wasted' || ownCauses.has(cause)
    yield { kind: isTheirs ? kind : 'shared', cause, us: times[at] as bigint, nanos: share }
  }
}
