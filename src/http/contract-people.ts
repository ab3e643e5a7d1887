/** What the admin API and the console exchange about people and how they sign in. Types only. */
import type { RoleName } from './contract.ts'

// GET /api/session
//
// POST /api/session {email, password} signs in (401 `login_failed`, 429 `too_many_attempts`) and
// answers SessionView; DELETE /api/session signs out; POST /api/session/password {current, next}.
// Every POST, PATCH, PUT and DELETE of somebody signed in carries the header `x-csrf-token` with
// SessionView.csrfToken, which changes with the session.
//
// GET /api/link?token=… → LinkView: what a one-time link (page /first-run?token=…) is for;
// POST /api/link {token, name, email, password} uses it up, signs in and answers SessionView
// (an invited person needs no name and email). POST /api/link/owner → {link} makes an owner's.
export interface LinkView {
  /** `owner`: makes an owner; `invite`: lets the named person set a password. */
  kind: 'owner' | 'invite'
  /** Who is invited; null for `owner`. */
  name: string | null
  email: string | null
  expiresAt: string
}

export interface SessionView {
  /** null when nobody is signed in. */
  user: {
    id: string
    name: string
    email: string
    role: RoleName
    tenantIds: string[]
    origin: OriginName
  } | null
  /** What the person may do, such as `tenants:write`; see permissions.ts. */
  permissions: string[]
  /** True until the first owner has been made with the one-time link. */
  firstRun: boolean
  csrfToken: string
  version: string
  /** Code of the currency that money is in. */
  currency: string
  /** How people sign in here. */
  signIn: {
    /** What the identity provider is called; null where there is none. */
    provider: string | null
    /** False where only the break-glass owner may use a password. */
    password: boolean
  }
}

// POST /api/session/oidc {to} → {url}: where to go to sign in with the identity provider; it sends
// people back to GET /api/session/oidc/callback, which goes on to `to`, or, where it did not work,
// to /?failed=CODE&request=ID.

/** local: invited, with a password; directory: their groups decide on role and tenants. */
export type OriginName = 'local' | 'directory'

// GET/PUT /api/access-rules {rules}
export interface AccessRulesView {
  /** In order; the first that fits decides on the role. */
  rules: { group: string; role: RoleName; tenantIds: string[] }[]
  /** null where none is configured. */
  provider: { name: string; issuer: string; groupsClaim: string } | null
}

// GET/POST /api/users, PATCH/DELETE /api/users/:id, POST /api/users/:id/invite → UserInvited
// POST /api/users {name, email, role, tenantIds?} → UserInvited: the link is handed over by hand.
export interface UserInvited extends UserView {
  /** One-time link with which the person sets a password; valid for a week. */
  link: string
}

export interface UserView {
  id: string
  name: string
  email: string
  role: RoleName
  /** Tenants the person may act for; empty means all for owner, operator and finance. */
  tenantIds: string[]
  origin: OriginName
  /** Groups of the directory that they are in. */
  groups: string[]
  /** no_rule: no rule fits their groups; like deactivated, they cannot sign in. */
  state: 'active' | 'deactivated' | 'no_rule'
  /** The owner who may use a password though passwords are switched off. */
  isBreakGlass: boolean
  createdAt: string
}
