/** What the life of a request is given, and what it tells at its end. */
import type { GristmillError } from '../base/index.ts'
import type { AttemptFailure, EndReason, Hold, PriceInForce, TokenCounts } from '../meter/index.ts'
import type { Grant } from '../pool/index.ts'
import type { Principal } from '../tenancy/index.ts'
import type { BoundNames } from './answer-bound.ts'
import type { Recording } from './answers/recording.ts'
import type { CanonicalRequest } from './canonical.ts'
import type { Course } from './course.ts'
import type { CacheSalts } from './engine-body.ts'
import type { Guarding } from './guards/before.ts'
import type { CollectedLine } from './line.ts'
import type { Reply } from './reply.ts'
import type { RequestLife } from './request-life.ts'
import type { Standing } from './standing.ts'
import type { Charge } from './token-rate.ts'
import type { GatewayOptions } from './types.ts'

export interface LifeServices extends Pick<GatewayOptions, 'pool' | 'ledger' | 'clock' | 'limits'> {
  salts: CacheSalts
  bounds: BoundNames
  /** Called once, last: books what the request was. */
  ended(life: RequestLife, end: LifeEnd): void
}

export interface LifeEnd {
  reason: EndReason
  /** What the engine reported for the whole request; null where it did not get that far. */
  usage: TokenCounts | null
  /** The grant it ran on; null where it never reached an engine. */
  grant: Grant | null
  /** True where an engine worked on it and may know more than we do. */
  wasCut: boolean
  error: GristmillError | null
  /** Status that an engine refused it with, passed on. */
  engineStatus: number | null
  /** How its engine failed it; undefined where it did not. */
  failure: AttemptFailure | undefined
}

export interface LifeOptions {
  requestId: string
  principal: Principal
  request: CanonicalRequest
  standing: Standing
  reply: Reply
  /** The batch line it is; null where a client waits. */
  line: CollectedLine | null
  /** What keeps its answer for others; null where none is to be kept. */
  recording: Recording | null
  /** The guards that it meets; null where there are none. */
  guarding: Guarding | null
  /** Its way through the targets of a route; undefined where its model has none. */
  course: Course | undefined
  /** What it is charged by; null: nothing. */
  price: PriceInForce | null
  /** What is set aside for it in budgets; null: none applies. */
  hold: Hold | null
  charge: Charge
  /** Bound that we set where the client names none; null where it does. */
  outputTokensDefault: number | null
  arrivedAtMs: number
  arrivedMonotonicMs: number
}
