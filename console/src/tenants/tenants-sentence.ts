/** What the page of tenants begins with. */
import type { TenantView } from '../api/contract.ts'
import { atLeast, isCut } from '../api/whole.ts'
import { percent, plural } from '../units.ts'

/** @param isBound true where there may be others, who are not among them */
export function tenantsSentence(
  tenants: readonly TenantView[] | undefined,
  isBound: boolean,
): string {
  if (tenants === undefined) return 'Looking up the tenants.'
  if (isBound) return withinReach(tenants)
  if (tenants.length === 0) return 'Nobody shares the pool yet.'
  if (tenants.length === 1) return `${tenants[0]?.name} has the pool to itself.`
  // Of what is not all nobody can say what is due to whom.
  if (isCut(tenants))
    return `${atLeast(tenants)}${plural(tenants.length, 'tenant')} share the pool.`
  const total = tenants.reduce((sum, { weight }) => sum + weight, 0)
  const withoutKey = tenants.filter(({ keyCount }) => keyCount === 0).length
  const missing = withoutKey === 0 ? '' : ` ${plural(withoutKey, 'tenant')} without a key.`
  const most = Math.max(...tenants.map(({ weight }) => weight))
  const heaviest = tenants.filter(({ weight }) => weight === most)
  const due = `${dueInWords(heaviest, tenants.length)}, ${percent(most / total)}`
  return `${plural(tenants.length, 'tenant')} share the pool. ${due}.${missing}`
}

function withinReach([first, ...others]: readonly TenantView[]): string {
  if (first === undefined) return 'No tenant is within your reach.'
  if (others.length === 0) return `${first.name} shares the pool with weight ${first.weight}.`
  return `${others.length + 1} of the tenants that share the pool are within your reach.`
}

function dueInWords(heaviest: readonly TenantView[], all: number): string {
  if (heaviest.length === all) return 'Each is due the same'
  if (heaviest.length === 1) return `${heaviest[0]?.name} is due the most`
  return `${heaviest.length} of them are due the most each`
}
