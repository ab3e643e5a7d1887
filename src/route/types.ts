/** What a route is: plain data, read from what people wrote and not changed after. */
import type { ServiceClass } from '../base/index.ts'
import type { Guard } from '../guard/index.ts'

/** Who and what a target takes; a field that is absent leaves it open. */
export interface TargetConditions {
  /** Tenants by name or id. */
  tenants?: readonly string[] | undefined
  classes?: readonly ServiceClass[] | undefined
  /** Length of the prompt, tokens by our estimate. */
  inputTokensMin?: number | undefined
  inputTokensMax?: number | undefined
  /** Tags of which its key carries at least one. */
  keyTags?: readonly string[] | undefined
  /** Tags of which it brings at least one itself. */
  requestTags?: readonly string[] | undefined
}

/** Something that can answer: a model of the pool, on any of its engines or on one. */
export interface RouteTarget {
  /** The model's name at its engines. */
  model: string
  /** Name of the only engine that is asked; null: any that serves the model. */
  engine: string | null
  /** Lower is asked first. */
  preference: number
  /** Share among targets of the same preference. */
  weight: number
  when: TargetConditions
  /** What it is rented for; null: it is ours. */
  price: TokenPrice | null
}

/** Price of a token in billionths of the unit of money that the installation counts in. */
export interface TokenPrice {
  inputNanos: number
  outputNanos: number
}

/** When requests go to rented targets although own ones are up: to keep what was promised. */
export interface OverflowPolicy {
  /** What each tenant, by name or id, may spend on it in a day (UTC), nanos; `*`: all others. */
  allowances: Readonly<Record<string, number>>
  classes: readonly ServiceClass[]
}

/** A name that will go. */
export interface Deprecation {
  /** First day on which it is not answered any more, `YYYY-MM-DD` in UTC. */
  date: string
  /** What to ask for instead; null where nothing takes its place. */
  successor: string | null
}

export interface Route {
  /** What clients ask for. */
  name: string
  /** Other names for the same. */
  aliases: readonly string[]
  targets: readonly RouteTarget[]
  /** Fields of a chat or completion that a request has where it does not set them. */
  defaults: Readonly<Record<string, unknown>>
  deprecation: Deprecation | null
  /** null: rented targets are like all others, by preference and weight. */
  overflow: OverflowPolicy | null
}

/** All routes at one time. */
export interface RouteVersion {
  /** 0 before any were stored. */
  version: number
  at: Date
  actor: string
  note: string
  routes: readonly Route[]
  guards: readonly Guard[]
}

export type RouteVersionHead = Omit<RouteVersion, 'routes' | 'guards'>

/** What decides where a request may go. */
export interface RequestFacts {
  tenantId: string
  tenantName: string
  serviceClass: ServiceClass
  /** Tokens of the prompt, by our estimate. */
  inputTokens: number
  /** What its key carries, which whoever asks cannot choose. */
  keyTags: readonly string[]
  /** What it brings itself. */
  requestTags: readonly string[]
  /** Chance in [0, 1), which decides between weights. */
  draw: number
}
