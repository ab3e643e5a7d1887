/** Tenants, projects, keys and what they may do. */
export type * from './types.ts'
export { roles, scopes } from './types.ts'
