/** What a period cost and who pays for it, as plain data. Time is engine-microseconds. */

/** Who pays for what was nobody's: the operator keeps it, or tenants by weight or by use. */
export const idleRules = ['operator', 'weight', 'use'] as const
export type IdleRule = (typeof idleRules)[number]

/**
 * Time that was no tenant's: free places, places free while the engine drained, before it answered
 * for the first time, while it could not be used; measurements of our own; of before it was
 * measured.
 */
export const idleCauses = [
  'free',
  'drained',
  'loading',
  'down',
  'calibration',
  'unmeasured',
] as const
export type IdleCause = (typeof idleCauses)[number]

/** One engine in one minute, of all gateways together. */
export interface EngineMinute {
  engineId: string
  /** Start of the minute, milliseconds since the epoch. */
  atMs: number
  registeredUs: bigint
  idle: ReadonlyMap<IdleCause, bigint>
  tenants: readonly MinuteUse[]
}

export interface MinuteUse {
  tenantId: string
  usedUs: bigint
  /** Service that it received, millionths of a unit, and what of it was for nothing, by cause. */
  microUnits: bigint
  waste: ReadonlyMap<string, bigint>
}

/** Weights of all tenants while none of them changed, in millionths. */
export interface Weights {
  /** Tells spans of time from each other. */
  fromMs: number
  of: ReadonlyMap<string, bigint>
  total: bigint
}

/**
 * `entitled`: within one's share of the engine by weight; `borrowed`: above it, while others did
 * not use theirs; `wasted`: for nothing, through the tenant's own doing; `shared`: what was
 * nobody's, or wasted through no tenant's doing.
 */
export const chargeKinds = ['entitled', 'borrowed', 'wasted', 'shared'] as const
export type ChargeKind = (typeof chargeKinds)[number]

export interface ChargeLine {
  /** null: unallocated, the operator keeps it. */
  tenantId: string | null
  engineId: string
  kind: ChargeKind
  /** Of what was wasted or shared; empty else. */
  cause: string
  engineUs: bigint
  nanos: bigint
}

export interface EngineTotal {
  engineId: string
  registeredUs: bigint
  nanos: bigint
  /** Of the time registered, that for which no cost was set. */
  uncostedUs: bigint
  /** How far the parts, each measured for itself, are from the time registered. */
  unexplainedUs: bigint
}

export interface Chargeback {
  rule: IdleRule
  engines: EngineTotal[]
  lines: ChargeLine[]
  /** Of one's share, what others used instead; it costs nobody anything and saves idle time. */
  lentUs: ReadonlyMap<string, bigint>
}
