/** What each role is for, in a line. */
import type { RoleName } from '../api/contract.ts'

export const roles: Record<RoleName, string> = {
  owner: 'Everything, people included',
  operator: 'Runs the pool: engines, tenants, keys, demo',
  member: 'Works with the tenants named: keys, batches, playground',
  viewer: 'Sees all but people, prices and costs; changes nothing',
  finance: 'Costs, budgets, credit and statements; no keys',
}
