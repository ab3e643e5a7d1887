/**
 * The gateway on a real socket for tests: the real pool, scripted engines, a ledger that keeps its
 * rows in memory. Never used by the program.
 */
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import {
  type Clock,
  createLogger,
  GristmillError,
  type Limits,
  type Logger,
  limitTable,
  Registry,
  systemClock,
  systemRandom,
} from '../base/index.ts'
import { type EngineProfile, OpenAiEngine, type ServiceName } from '../engine/index.ts'
import type { Guard } from '../guard/index.ts'
import { OutboundAddresses } from '../host/index.ts'
import type { CapacityMinute, Intent, Progress, Settlement } from '../meter/index.ts'
import { Pool, queueOf, TargetPlaces } from '../pool/index.ts'
import type { Route } from '../route/index.ts'
import type { Principal, UseLimits } from '../tenancy/index.ts'
import { DaySpend } from './day-spend.ts'
import { createGateway, type Gateway } from './gateway.ts'
import type {
  GatewayOptions,
  ModelEntry,
  RequestLedger,
  ResponseArchive,
  RouteTable,
} from './types.ts'

export const noLimits: UseLimits = {
  queueDepthMax: null,
  concurrencyMax: null,
  tokensPerMinute: null,
  waitMsMax: null,
}

export const testLimits: Limits = Object.fromEntries(
  Object.entries(limitTable).map(([name, entry]) => [name, entry.default]),
) as Limits

export function testPrincipal(
  name: string,
  changes: Omit<Partial<Principal>, 'policy'> & { policy?: Partial<Principal['policy']> } = {},
): Principal {
  const { policy, ...rest } = changes
  return {
    keyId: `key_${name}`,
    keyName: name,
    tenantId: `ten_${name}`,
    tenantName: name,
    projectId: `prj_${name}`,
    projectName: name,
    scopes: new Set(['inference']),
    ...rest,
    policy: {
      tenantWeight: 1,
      projectWeight: 1,
      classes: ['priority', 'standard', 'flex', 'batch'],
      defaultClass: 'standard',
      models: null,
      tenantLimits: noLimits,
      keyLimits: noLimits,
      responseCache: false,
      responseDays: 0,
      pricePlan: null,
      tags: [],
      ...policy,
    },
  }
}

/** Rows in memory; `hold` keeps intents from becoming durable, `away` refuses them. */
export class MemoryLedger implements RequestLedger {
  readonly intents: Intent[] = []
  readonly settlements: Settlement[] = []
  readonly notes = new Map<string, Progress>()
  isAway = false
  isHealthy = true
  #held: (() => void)[] | undefined

  hold(): void {
    this.#held = []
  }

  letGo(): void {
    for (const resolve of this.#held ?? []) resolve()
    this.#held = undefined
  }

  open(intent: Intent): Promise<void> {
    if (this.isAway) {
      return Promise.reject(new GristmillError('ledger_unavailable', {}, { retryAfterMs: 2000 }))
    }
    this.intents.push(intent)
    if (this.#held === undefined) return Promise.resolve()
    return new Promise((resolve) => this.#held?.push(resolve))
  }

  progress(requestId: string, progress: Progress): void {
    this.notes.set(requestId, progress)
  }

  settle(settlement: Settlement): void {
    this.settlements.push(settlement)
  }

  healthy(): boolean {
    return this.isHealthy
  }
}

export interface TestEngineAddress {
  url: string
  /** Whom it is rented from, and with which keys. */
  service?: ServiceName
  keys?: string[]
}

export interface TestGateway {
  url: string
  /** What an OpenAI client is pointed at. */
  baseUrl: string
  gateway: Gateway
  pool: Pool
  /** Minutes of engines that have ended; all of them once the pool is closed. */
  minutes: CapacityMinute[]
  ledger: MemoryLedger
  /** What engines are known to serve; tests add to it. */
  models: ModelEntry[]
  /** Replaces the routes. */
  setRoutes(routes: readonly Route[], guards?: readonly Guard[]): void
  /** Keys by secret; tests add and change them. */
  principals: Map<string, Principal>
  /** Connections with a request on them. */
  openCount(): number
  /** Adds an engine, or changes the state of one. */
  setEngine(
    engine: TestEngineAddress,
    profile?: Partial<EngineProfile>,
    state?: 'up' | 'down',
  ): OpenAiEngine
  close(): Promise<void>
}

export interface TestGatewayOptions {
  limits?: Partial<Limits>
  clock?: Clock
  endUserHeader?: string
  models?: ModelEntry[]
  /** Addresses that guards may ask though they are not public. */
  addresses?: string[]
  /** None where absent. */
  budgets?: GatewayOptions['budgets']
  telemetry?: GatewayOptions['telemetry']
  logger?: Logger
  /** Keeps nothing where absent. */
  archive?: ResponseArchive
}

/** Nothing is charged; what rented targets may cost is counted. */
const noPrices = (clock: Clock, budgets?: GatewayOptions['budgets']) => ({
  allowances: new DaySpend(clock),
  prices: { find: () => null },
  budgets: budgets ?? { isEmpty: true, hold: () => null },
})

const mill: ModelEntry = {
  name: 'mill',
  contextTokens: 2048,
  createdAtMs: 1_700_000_000_000,
  toy: false,
}

export async function startTestGateway(options: TestGatewayOptions = {}): Promise<TestGateway> {
  const clock = options.clock ?? systemClock
  const limits = { ...testLimits, ...options.limits }
  const { logger = createLogger('silent', 'test') } = options
  const registry = new Registry()
  const ledger = new MemoryLedger()
  const minutes: CapacityMinute[] = []
  const sink = { recordCapacity: (rows: CapacityMinute[]) => minutes.push(...rows) }
  const pool = new Pool({ clock, logger, registry, order: 'fair', ...sink, recordChange() {} })
  const principals = new Map([['sk-anna', testPrincipal('anna')]])
  const models = options.models ?? [{ ...mill }]
  const engines = new Map<string, OpenAiEngine>()
  let held: Held = { routes: [], guards: [] }
  const gatewayOptions: GatewayOptions = {
    pool,
    expectedWaits: (rowsMax) => queueOf(pool, clock, undefined, rowsMax),
    ledger,
    tokenizer: {
      countTokens: async (_, chat, signal) =>
        (await [...engines.values()][0]?.countTokens(chat, signal)) ?? null,
    },
    archive: options.archive ?? noArchive,
    routes: tableOf(() => held),
    addresses: new OutboundAddresses(options.addresses ?? []),
    places: new TargetPlaces(pool),
    ...noPrices(clock, options.budgets),
    models: { find: (name) => models.find((m) => m.name === name), list: () => models },
    clock,
    random: systemRandom,
    limits,
    logger,
    registry,
    saltSecret: Buffer.alloc(32, 7),
    endUserHeader: options.endUserHeader,
    revokeEndsStreams: true,
    telemetry: options.telemetry,
  }
  const gateway = createGateway(gatewayOptions)
  const { server, openCount } = serverOf(gateway, principals)
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  return {
    url,
    baseUrl: `${url}/v1`,
    gateway,
    pool,
    minutes,
    ledger,
    models,
    setRoutes: (routes, guards = []) => {
      held = { routes, guards }
    },
    principals,
    openCount,
    setEngine: (given, changes = {}, state = 'up') => {
      const engine = engines.get(given.url) ?? newEngine(given, clock, limits, pool)
      engines.set(given.url, engine)
      pool.setEngine(engine, { ...plainProfile, ...changes }, state, 'as the test says')
      return engine
    },
    close: async () => {
      server.closeAllConnections()
      await new Promise<void>((resolve) => server.close(() => resolve()))
      await gateway.drain(0)
      pool.close()
      await Promise.all([...engines.values()].map((engine) => engine.close()))
    },
  }
}

function serverOf(gateway: Gateway, principals: Map<string, Principal>) {
  let requests = 0
  let open = 0
  const server = createServer((request: IncomingMessage, response: ServerResponse) => {
    open++
    response.on('close', () => open--)
    const { authorization, 'x-api-key': key } = request.headers
    const principal = principals.get(authorization?.slice('Bearer '.length) ?? String(key))
    if (principal) gateway.handle(request, response, principal, `req_${++requests}`)
    else response.writeHead(401).end()
  })
  return { server, openCount: () => open }
}

/** Keeps nothing; tests of what is kept have a database. */
const noArchive: ResponseArchive = {
  history: async (_, id) => {
    throw new GristmillError('not_found', { kind: 'response', id })
  },
  items: async () => [],
  keep: async () => {
    throw new GristmillError('file_quota_exceeded', { quotaBytes: 0 })
  },
  enqueue: async () => {
    throw new GristmillError('file_quota_exceeded', { quotaBytes: 0 })
  },
}

interface Held {
  routes: readonly Route[]
  guards: readonly Guard[]
}

const tableOf = (held: () => Held): RouteTable => ({
  find: (name) => held().routes.find((one) => one.name === name || one.aliases.includes(name)),
  list: () => held().routes,
  get guards() {
    return held().guards
  },
})

const newEngine = (
  { url, service, keys = [] }: TestEngineAddress,
  clock: Clock,
  limits: Limits,
  pool: Pool,
) =>
  new OpenAiEngine({
    id: url,
    name: url,
    url,
    keys: keys.map((secret) => ({ id: secret, secret })),
    service: service === undefined ? null : { name: service, apiVersion: null },
    onRates: (news) => pool.quotas.heard(url, news),
    capOverride: null,
    modelsFilter: null,
    clock,
    random: systemRandom,
    limits,
  })

const plainProfile: EngineProfile = {
  kind: 'gristmill',
  version: null,
  models: [{ name: 'mill', contextTokens: 2048, toy: false }],
  cap: 4,
  capReason: 'as the test says',
  express: 0,
  capacityUnitsPerS: null,
  takesPriority: true,
  takesCacheSalt: true,
  spare: 0,
  capMost: 4,
  tokenGapMs: null,
  takesCacheOff: false,
  yieldsBySteps: false,
  tellsLoad: false,
  advice: null,
}
