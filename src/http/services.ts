/**
 * What the HTTP room needs of the rooms that serve behind it, as structural types, so that the
 * composition root plugs the real ones in and tests small ones. No behaviour lives here.
 */
import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Duplex } from 'node:stream'
import type { Clock, Limits, Logger, Random, Registry, ServiceClass } from '../base/index.ts'
import type { WebhookStore } from '../batch/index.ts'
import type { ServiceName } from '../engine/index.ts'
import type {
  Books,
  BudgetAlerts,
  Budgets,
  Credits,
  PriceBook,
  Reconciliations,
  Retention,
} from '../meter/index.ts'
import type { Dedicated, QueueEntry } from '../pool/index.ts'
import type { Database } from '../store/index.ts'
import type { Actor, Issuer, Page, PageRequest, Principal, Tenancy } from '../tenancy/index.ts'
import type {
  BatchStatusName,
  BatchView,
  CalibrationView,
  ClusterView,
  DemoView,
  EngineFoundView,
  EngineHistoryView,
  EngineKeyView,
  EngineProfileView,
  EngineView,
  FloorView,
  ModelView,
  PlanChangeView,
  PlanView,
  RouteDraftView,
  RouteExplanationView,
  RouteSetView,
  RouteVersionView,
} from './contract.ts'

/** Everything below `/v1/` but the queue; or, of another room, everything below a path there. */
export interface GatewayService {
  /**
   * Answers a request whose key is good, errors included; nothing of it is read before.
   * @param requestId goes into logs, ledger and error bodies
   */
  handle(
    request: IncomingMessage,
    response: ServerResponse,
    principal: Principal,
    requestId: string,
  ): unknown
}

export interface LedgerService {
  /**
   * Puts a request that is open here into the database, if it is not there yet.
   * @returns false where it is not open here
   * @throws GristmillError `ledger_unavailable`
   */
  book(requestId: string): Promise<boolean>
  /**
   * Resolves when what has ended is in the database.
   * @throws GristmillError `ledger_unavailable`
   */
  flush(): Promise<void>
}

export interface QueueService {
  /** Waiting requests with position and reason, oldest first. @param tenantId undefined: all */
  entries(tenantId: string | undefined, rowsMax: number): QueueEntry[]
  /** How many wait. @param tenantId undefined: all */
  waiting(tenantId: string | undefined): number
}

export interface NewEngine {
  /** May be absent for services that have one address for everybody. */
  url?: string | undefined
  /** True where each address of its name is an engine of its own. */
  replicas?: boolean | undefined
  /** Whom it is rented from. */
  service?: ServiceName | undefined
  apiVersion?: string | undefined
  /** Only these of its models. */
  models?: string[] | undefined
  /** Shown instead of the address. */
  name?: string | undefined
  /** Requests in flight at most; what the engine says where absent. */
  cap?: number | undefined
  apiKey?: string | undefined
}

export interface EngineService {
  list(): EngineView[]
  /** @throws GristmillError where the engine does not answer or is known already */
  add(input: NewEngine): Promise<EngineView>
  /** What would be added. @throws GristmillError where it does not answer */
  detect(input: NewEngine): Promise<EngineFoundView>
  /** @throws GristmillError `not_found`, `conflict` (the embedded engine) */
  remove(id: string): Promise<void>
  /** Finishes what runs and takes nothing new. @throws GristmillError `not_found` */
  drain(id: string): Promise<EngineView>
  /** Takes that back, but for a replica that leaves. @throws GristmillError `not_found` */
  resume(id: string): Promise<EngineView>
  /** Begins a calibration. @throws GristmillError `not_found`, `conflict` */
  calibrate(id: string): CalibrationView
  /** @throws GristmillError `not_found` */
  calibration(id: string): CalibrationView
  /** @throws GristmillError `not_found` */
  history(id: string): Promise<EngineHistoryView>
  /** @throws GristmillError `not_found`; `conflict` where it was never calibrated */
  profile(id: string): EngineProfileView
  models(): ModelView[]
  /** @throws GristmillError `not_found`, `conflict` (the embedded engine) */
  keys(id: string): EngineKeyView[]
  /** @throws GristmillError `not_found`, `conflict`, `engine_unreachable` (it refuses the key) */
  setKey(id: string, apiKey: string, how: 'beside' | 'instead'): Promise<EngineKeyView[]>
  /** Encrypts all keys anew. @throws GristmillError `conflict` where that is not ours to do */
  rotateSecretKey(): Promise<void>
  /** @returns id of its engine @throws GristmillError `not_found` */
  removeKey(keyId: string): Promise<string>
}

export interface RouteService {
  current(): RouteSetView
  versions(page: PageRequest): Promise<Page<RouteVersionView>>
  /** @throws GristmillError `not_found` */
  version(version: number): Promise<RouteSetView>
  /** @throws GristmillError `invalid_routes`; `conflict` where `base` is not the newest version */
  apply(
    document: unknown,
    actor: Actor,
    note: string | undefined,
    base: number | undefined,
  ): Promise<RouteSetView>
  /** What `{ routes, guards }` would do in place of those that hold; nothing is kept. */
  draft(document: unknown): RouteDraftView
  /** @throws GristmillError `not_found` */
  rollback(actor: Actor, to: number | undefined): Promise<RouteSetView>
  /** @throws GristmillError `not_found` */
  explain(question: {
    model: string
    tenantId: string
    /** undefined: the tenant's own */
    serviceClass: ServiceClass | undefined
    inputTokens: number
    keyTags: string[]
    requestTags: string[]
  }): Promise<RouteExplanationView>
}

export interface BatchService {
  /** Newest first. @param filter undefined: all */
  list(
    filter: { tenantIds?: readonly string[] | undefined; status?: BatchStatusName | undefined },
    page: PageRequest,
  ): Promise<Page<BatchView>>
  /** @throws GristmillError `not_found` */
  get(id: string): Promise<BatchView>
  /** Stops a batch that runs. @throws GristmillError `not_found`, `conflict` where it has ended */
  cancel(id: string): Promise<BatchView>
}

/** Where traces of the requests of a tenant are sent. */
export interface TraceDestination {
  url: string
  headerNames: string[]
  /** True where spans hold the messages of requests. */
  withPrompts: boolean
  createdAt: Date
  changedAt: Date
}

export interface TraceDestinationInput {
  url: string
  headers: Record<string, string>
  withPrompts: boolean
}

export interface TraceService {
  /** @throws GristmillError `not_found` */
  get(tenantId: string): Promise<TraceDestination>
  /** @throws GristmillError `invalid_value` where it may not be reached; `conflict` */
  set(tenantId: string, input: TraceDestinationInput): Promise<void>
  remove(tenantId: string): Promise<void>
}

export interface DemoService {
  /** null where none has run since the start. */
  view(): DemoView | null
  /**
   * @param halfS length of each half, seconds; a minute where absent
   * @throws GristmillError `conflict` while one runs
   */
  start(halfS?: number): Promise<DemoView>
  cancel(): Promise<DemoView | null>
}

/** What a plan is made of. */
export interface PlanInput {
  source:
    | { kind: 'trace'; name: string | null; bytes: Uint8Array }
    /** @property tenantIds null: all */
    | { kind: 'ledger'; hours: number; tenantIds: readonly string[] | null }
    | { kind: 'example' }
  /** Name of a built-in profile. */
  engine: string
  ttftP99Ms: number
  costPerEngineHour: number | null
  /** Tenants that a trace without any is split over. */
  tenants: number
  seed: number
}

/** Requests of the ledger for which engines of tenants alone are counted. */
export interface DedicatedInput {
  fromMs: number
  toMs: number
  /** null: all */
  tenantIds: readonly string[] | null
  /** Name of a built-in profile. */
  engine: string
  ttftP99Ms: number
  /** Other traces that are drawn from these requests. */
  draws: number
}

/** Plans, the newest of each person; all but the arithmetic of progress happens elsewhere. */
export interface PlanService {
  /** null where none was begun. */
  view(person: string): PlanView | null
  /**
   * Begins a plan in place of the one before.
   * @throws GristmillError `plan_running`, `too_many_plans`, `invalid_value` (an empty ledger)
   */
  start(person: string, input: PlanInput): Promise<PlanView>
  /**
   * Begins to answer a question about the plan that was worked out last.
   * @throws GristmillError `plan_running`, `too_many_plans`, `not_found` where there is no plan
   */
  ask(person: string, change: PlanChangeView): PlanView
  /** Stops what is being worked out. */
  cancel(person: string): PlanView | null
  /**
   * Engines that tenants would need each alone; not a plan, and not kept.
   * @throws GristmillError `plan_running`, `too_many_plans`, `invalid_value`
   */
  dedicated(person: string, input: DedicatedInput, signal: AbortSignal): Promise<Dedicated>
}

export interface ClusterService {
  view(): Promise<ClusterView>
}

export interface Readiness {
  ready: boolean
  /** Why not, in sentences; may also name what works only in part. */
  reasons: string[]
}

/** Other gateways on the same database. */
export interface PeerService {
  /** Answers an upgrade of HTTP. @returns false where it is none of theirs */
  upgrade(request: IncomingMessage, socket: Duplex): boolean
  /** Address of the gateway that schedules, where it is another one that can be reached. */
  readonly elsewhere: string | undefined
  /** Addresses of the gateways to ask before this one for what is kept by a key, in this order. */
  homesOf(key: string): readonly string[]
}

export interface HttpServices {
  database: Database
  tenancy: Tenancy
  gateway: GatewayService
  ledger: LedgerService
  queue: QueueService
  engines: EngineService
  prices: Pick<PriceBook, 'currency' | 'prices' | 'add'>
  books: Pick<Books, 'close' | 'reopen'>
  reconciliations: Pick<Reconciliations, 'reconcile' | 'book'>
  retention: Pick<Retention, 'standing'>
  credits: Pick<Credits, 'book'>
  budgets: Pick<Budgets, 'standings' | 'list' | 'get' | 'create' | 'change' | 'end'>
  alerts: Pick<BudgetAlerts, 'outlook' | 'settings' | 'set' | 'list'>
  routes: RouteService
  batches: BatchService
  /** `/v1/batches` and below. */
  batchDoor: GatewayService
  /** Below `/v1/responses`. */
  responseDoor: GatewayService
  webhooks: Pick<WebhookStore, 'get' | 'set' | 'remove'>
  traces: TraceService
  /** `/v1/files` and below. */
  fileDoor: GatewayService
  demo: DemoService
  plans: PlanService
  /** The mill floor of the whole installation; names included. Called four times a second. */
  floor(): FloorView
  readiness(): Readiness
  cluster: ClusterService
  registry: Registry
  clock: Clock
  random: Random
  logger: Logger
}

export interface HttpOptions extends HttpServices {
  host: string
  /** 0 asks the system for a free port. */
  port: number
  /** Address that people use when it differs (behind a proxy). */
  publicUrl?: string | undefined
  /** Addresses or CIDR ranges whose `x-forwarded-for` is believed. */
  trustedProxies: readonly string[]
  limits: Limits
  version: string
  /** Built console; a plain page explains where it is missing. */
  consoleFolder: string
  /** Other gateways on the same database, where there may be any. */
  peers?: PeerService | undefined
  /** 32 bytes that sign sessions and CSRF tokens; the same over restarts. */
  sessionSecret: Uint8Array
  /** The OpenID provider that people sign in with. */
  issuer?: Issuer | undefined
  /** False where only the break-glass owner may use a password. */
  passwordLogin: boolean
  /** What the command line on this machine and OS user proves itself with; undefined: nothing. */
  localToken?: string | undefined
}
