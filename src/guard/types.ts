/** What a guard is: plain data, read from what people wrote and not changed after. */
import type { PiiEntity } from './pii.ts'

/** `before`: on what a client sends; `after`: on what it is answered. */
export type GuardMoment = 'before' | 'after'
export type GuardAction = 'refuse' | 'redact'

interface GuardBase {
  name: string
  when: GuardMoment
  /** Tenants by name or id; absent: all. */
  tenants?: readonly string[] | undefined
  /** Routes by name, or models that have no route; absent: all. */
  routes?: readonly string[] | undefined
}

/** Looks for patterns in RE2's syntax. */
export interface PatternGuard extends GuardBase {
  kind: 'pattern'
  action: GuardAction
  patterns: readonly string[]
  /** What stands in the place of what is redacted. */
  replacement: string
}

/** Looks for personal data that have a form. */
export interface PiiGuard extends GuardBase {
  kind: 'pii'
  action: GuardAction
  entities: readonly PiiEntity[]
}

/** Wants answers to be JSON of a schema. */
export interface SchemaGuard extends GuardBase {
  kind: 'schema'
  when: 'after'
  schema: Readonly<Record<string, unknown>>
}

/** Asks a service. */
export interface HttpGuard extends GuardBase {
  kind: 'http'
  url: string
  timeoutMs: number
  /** Whether what could not be checked goes on. */
  onFailure: 'open' | 'closed'
}

export type Guard = PatternGuard | PiiGuard | SchemaGuard | HttpGuard

/** How a guard found what it was shown, the gravest last. */
export const guardOutcomes = [
  'passed',
  'failed_open',
  'redacted',
  'failed_closed',
  'refused',
] as const
export type GuardOutcome = (typeof guardOutcomes)[number]

/** What a guard made of one request. */
export interface GuardResult {
  name: string
  outcome: GuardOutcome
}
