/** What each role is for, in a line. */
import type { RoleName } from '../api/contract.ts'

export const roles: Record<RoleName, string> = {
  owner: 'Everything, people included',
  operator: 'Runs the pool: engines, tenants, keys, demo',
  member: 'Works with the tenants named: keys, playground, requests',
  viewer: 'Sees everything, changes nothing',
  finance: 'Sees usage and requests, no keys',
}
