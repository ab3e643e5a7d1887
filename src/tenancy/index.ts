/** Tenants, projects, keys and what they may do. */
export {
  type AccessRule,
  type AccessRules,
  accessRulesInput,
  type Granted,
  grantedBy,
} from './access-rules.ts'
export type { AuditFilter, AuditLog } from './audit.ts'
export {
  type AuditCheck,
  auditLine,
  type ChainFilter,
  chainAfter,
  checkChain,
} from './audit-chain.ts'
export { pageOf } from './context.ts'
export type { TenantLabel } from './directory.ts'
export {
  keyChange,
  keyInput,
  limitsInput,
  pricePlan,
  projectChange,
  projectInput,
  rotation,
  sha256Hex,
  tenantChange,
  tenantInput,
} from './inputs.ts'
export { Issuer, type IssuerOptions } from './issuer.ts'
export type { KeyFilter, Keys, KeyWithSecret } from './keys.ts'
export type { Projects } from './projects.ts'
export {
  type ServiceAccount,
  type ServiceAccounts,
  serviceAccountChange,
  serviceAccountInput,
} from './service-accounts.ts'
export {
  type Bootstrap,
  CONSOLE_KEY_ID,
  createTenancy,
  type Tenancy,
  type TenancyOptions,
} from './tenancy.ts'
export type { Tenants } from './tenants.ts'
export type { KnownPerson, TokenOptions } from './tokens.ts'
export type * from './types.ts'
export { roles, scopes } from './types.ts'
