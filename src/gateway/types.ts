/** What the gateway needs of the rooms beside it, as structural types that tests can fill. */
import type { Clock, Limits, Logger, Random, Registry, ServiceClass } from '../base/index.ts'
import type { Guard } from '../guard/index.ts'
import type { OutboundAddresses } from '../host/index.ts'
import type {
  BudgetRequest,
  EndReason,
  Hold,
  Intent,
  PriceInForce,
  PriceSubject,
  Progress,
  Settlement,
  Spender,
} from '../meter/index.ts'
import type { Ticket, TicketRequest } from '../pool/index.ts'
import type { Route, RouteTarget } from '../route/index.ts'
import type { Principal } from '../tenancy/index.ts'
import type { Asker } from './standing.ts'
import type { RateLimiter } from './token-rate.ts'

export interface TicketPool {
  submit(request: TicketRequest): Ticket
  /** True where engines of a model are to be chosen between. */
  hasChoice(model: string): boolean
  /** True where it matters what a prompt begins with. */
  asksBeginnings(model: string): boolean
}

/** What requests cost. */
export interface Prices {
  /** What held for a request when it arrived; null where nothing did. */
  find(subject: PriceSubject, atMs: number): PriceInForce | null
}

/** What may be spent, where budgets say so. */
export interface BudgetDesk {
  /** True while no request needs to ask. */
  readonly isEmpty: boolean
  /** See `Budgets.hold`. */
  hold(spender: Spender, request: BudgetRequest): Hold | Promise<Hold> | null
}

/** Money that has been set aside. */
export interface Reservation {
  key: string
  nanos: number
  day: number
}

/** What tenants may spend on rented targets. */
export interface Allowances {
  /** Sets money aside; null where the day's allowance would not cover it. */
  reserve(tenantId: string, route: string, nanos: number, allowance: number): Reservation | null
  /** Gives back what was not spent. */
  settle(reservation: Reservation, spentNanos: number): void
}

export interface RequestLedger {
  /** Resolves when durable; after a rejection there is nothing to settle. */
  open(intent: Intent): Promise<void>
  /** Keeps `progress` by reference and reads it at its next write. */
  progress(requestId: string, progress: Progress): void
  settle(settlement: Settlement): void
  healthy(): boolean
}

/** A model as clients may ask for it. */
export interface ModelEntry {
  name: string
  /** Tokens of prompt and answer together; null where no engine tells. */
  contextTokens: number | null
  /** When it was first seen, milliseconds since the epoch. */
  createdAtMs: number
  /** True for the generated model that stands in where none could be fetched. */
  toy: boolean
  /** True where it turns texts into vectors and writes none. */
  embedsOnly?: boolean | undefined
  /** True where an engine of it speaks Anthropic's wire. */
  speaksMessages?: boolean
  /** Where the name will go: the day on which it does. */
  deprecation?: Route['deprecation']
}

export interface ModelDirectory {
  find(name: string): ModelEntry | undefined
  list(): readonly ModelEntry[]
}

/** What engines know of the length of prompts. */
export interface Tokenizer {
  /**
   * Tokens of a chat's prompt as an engine of the model counts them; null where none can be asked.
   * @param chat fields of a chat request
   */
  countTokens(
    model: string,
    chat: Record<string, unknown>,
    signal: AbortSignal,
  ): Promise<number | null>
}

/** The routes that hold. */
export interface RouteTable {
  /** By name or alias. */
  find(name: string): Route | undefined
  list(): readonly Route[]
  /** The same list until it changes. */
  readonly guards: readonly Guard[]
}

/** Where requests for targets queue. */
export interface TargetPlaces {
  queueOf(target: Pick<RouteTarget, 'model' | 'engine'>): string
  /** True while an engine takes requests from a queue. */
  isUp(queue: string): boolean
}

/** Requests that wait, oldest first, with the wait that is expected from now; null: unknown. */
export type ExpectedWaits = (
  rowsMax: number,
) => readonly { requestId: string; expectedWaitMs: number | null }[]

/** A response that is to be kept. */
export interface NewResponse {
  id: string
  /** The response that it goes on from. */
  previousId: string | null
  createdAtMs: number
  /** The body of the request as it came. */
  request: Buffer
  /** The response as its client is told. */
  answer: Record<string, unknown>
}

/** A response that runs in the background. */
export interface QueuedResponse extends NewResponse {
  serviceClass: ServiceClass
  asker: Asker
}

/** Where responses are kept; each is there for its own project only. */
export interface ResponseArchive {
  /**
   * What was said up to a response, oldest first: the items that it was given and those it gave.
   * @throws GristmillError `not_found`, `invalid_value` where it cannot be gone on from
   */
  history(owner: Principal, id: string): Promise<Record<string, unknown>[]>
  /** Items that these responses were given and gave. @throws GristmillError `not_found` */
  items(owner: Principal, ids: readonly string[]): Promise<Record<string, unknown>[]>
  /** Resolves when it can be found. @throws GristmillError `file_quota_exceeded`, … */
  keep(owner: Principal, response: NewResponse): Promise<void>
  /**
   * Resolves when it is sure to run.
   * @throws GristmillError `too_many_responses`, `file_quota_exceeded`, …
   */
  enqueue(owner: Principal, response: QueuedResponse): Promise<void>
}

/** What a request came to, for who follows requests from outside; no prompt, no answer. */
export interface EndedRequest {
  requestId: string
  /** `/v1/chat/completions`, … */
  endpoint: string
  model: string
  tenantId: string
  keyId: string
  servedClass: ServiceClass
  traceParent: string | undefined
  arrivedAtMs: number
  endedAtMs: number
  /** Until it was sent to an engine, or gave up. */
  queueMs: number
  /** null where it never reached one. */
  engineId: string | null
  ttftMs: number | null
  inputTokens: number
  cachedTokens: number
  outputTokens: number
  end: EndReason
  /** Of the error that it ended with. */
  errorCode: string | null
}

/** Follows requests from outside. */
export interface Telemetry {
  /** False where nobody is to hear of the requests of a tenant, so that nothing is made for it. */
  follows(tenantId: string): boolean
  /** @param fields of the request as its engine was asked; for tenants that want their own words */
  ended(request: EndedRequest, fields: Record<string, unknown>): void
}

export interface GatewayOptions {
  pool: TicketPool
  expectedWaits: ExpectedWaits
  ledger: RequestLedger
  models: ModelDirectory
  routes: RouteTable
  places: TargetPlaces
  allowances: Allowances
  prices: Prices
  /** Judges tokens per minute; a judge of its own where absent. */
  rates?: RateLimiter
  budgets: BudgetDesk
  tokenizer: Tokenizer
  archive: ResponseArchive
  /** Where guards may ask. */
  addresses: OutboundAddresses
  clock: Clock
  random: Random
  limits: Limits
  logger: Logger
  registry: Registry
  /** undefined: nobody follows. */
  telemetry?: Telemetry | undefined
  /** At least 32 bytes, the same over restarts; salts tenants' prefix caches apart. */
  saltSecret: Uint8Array
  /** Lower-case name of a header that names the end user. */
  endUserHeader: string | undefined
  /** True where revoking a key also ends its running streams. */
  revokeEndsStreams: boolean
}
