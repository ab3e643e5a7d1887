/** What gateways tell each other, as it goes over the wire: small tuples in lines of JSON. */
import type { ErrorCode, ErrorDetails } from '../base/index.ts'
import type { RateNews } from '../engine/index.ts'
import type {
  CounterRow,
  Grant,
  RateAsk,
  RetryOptions,
  TicketEnd,
  TicketRequest,
} from '../pool/index.ts'

/** Both sides know a ticket by a number that its gateway gives it. */
export type TicketNumber = number

/** A request as it is handed to whoever schedules; times are ages, since clocks differ. */
export interface Offer {
  request: Omit<TicketRequest, 'arrivedAtMs' | 'waitMsMax' | 'queueDepthMax' | 'rates'>
  /** null: no bound. */
  waitMsMax: number | null
  queueDepthMax: number | null
  ageMs: number
  /** Its charge to rates; absent where there are none, or it was charged before. */
  rates?: RateAsk
  /** Where it runs, with what it received so far; absent while it waits. */
  engineId?: string
  inputTokens?: number
  cachedTokens?: number
  outputTokens?: number
}

/** The level of a rate's bucket. */
export interface BucketRow {
  id: string
  tokens: number
}

/** From a gateway to the one that schedules. */
export type Up =
  | ['ask', TicketNumber, Offer]
  | ['run', TicketNumber, Offer]
  /** All that runs and waits here was told. */
  | ['ready']
  | ['progress', TicketNumber, number]
  | ['read', TicketNumber, number, number]
  | ['end', TicketNumber, TicketEnd]
  | ['leave', TicketNumber]
  | ['hurry', TicketNumber]
  | ['again', TicketNumber, TicketNumber, RetryOptions]
  /** What it was charged to rates is corrected to so many tokens. */
  | ['used', RateAsk['id'], number]
  | ['rated', string, RateNews]
  /** Engines that answer it; told every second. */
  | ['reach', number]

/** A grant whose engine is known by its name only. */
export type GrantWords = Omit<Grant, 'engine'> & { engineId: string }

export interface RefusalWords {
  code: ErrorCode
  details: ErrorDetails
  retryAfterMs: number | undefined
}

/** From the one that schedules. */
export type Down =
  | ['welcome', number]
  | ['grant', TicketNumber, GrantWords]
  | ['refuse', TicketNumber, RefusalWords]
  | ['lost', TicketNumber, boolean]
  | ['counters', CountersNews]

/** What the next holder begins with. */
export interface CountersNews {
  /** True where these are all rows, not only those that have changed. */
  isWhole: boolean
  rows: CounterRow[]
  /** Names of rows that are not kept any more; none where it is not there. */
  gone?: string[]
  buckets: BucketRow[]
  /** By gateway and engine how many requests run. */
  running: Record<string, Record<string, number>>
}
