/**
 * The composition root of `gristmill start`: builds every resource once, hands it to the rooms,
 * and takes them down in the opposite order. Decides nothing itself.
 */
import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import {
  type Clock,
  type Config,
  createLogger,
  createRegistry,
  GristmillError,
  type Logger,
  systemClock,
  systemRandom,
} from './base/index.ts'
import type { ResponseRunner } from './conversation/index.ts'
import { createDemo } from './demo/index.ts'
import { EMBEDDED_ENGINE_ID, EMBEDDING_ENGINE_ID, type EngineRegistry } from './engine/index.ts'
import { createGateway, type Gateway } from './gateway/index.ts'
import { checkPort, type Home, OutboundAddresses, openHome } from './host/index.ts'
import { createHttpServer, type HttpServer } from './http/index.ts'
import {
  type BudgetAlerts,
  type CountOf,
  createLedger,
  Journal,
  type Ledger,
} from './meter/index.ts'
import { defaultSchedulerConfig, type Pool, queueOf, TargetPlaces } from './pool/index.ts'
import { RouteBook } from './route/index.ts'
import {
  alertsPart,
  type BatchPart,
  batchPart,
  Calibrations,
  type ConversationPart,
  checkModels,
  chooseEmbeddingModel,
  chooseModel,
  clusterView,
  conversationPart,
  type DatabasePart,
  engineService,
  floorView,
  followOwnEngine,
  type LoginPart,
  launchOwnEngine,
  ledgerWhileOurs,
  loginPart,
  measuresFirst,
  modelsOf,
  type OwnEngine,
  openDatabasePart,
  openEngines,
  openPool,
  openTollPart,
  openTracesPart,
  planDesk,
  queueingOf,
  readiness,
  routeService,
  settleLeftOpen,
  sharedSecret,
  storedIn,
  type TollPart,
  type TracesPart,
  writeServerFile,
} from './serve/index.ts'
import { createTenancy, type Tenancy } from './tenancy/index.ts'

export interface StartOptions {
  /** A line for the person who waits. */
  onProgress: (message: string) => void
}

export interface Running {
  url: string
  home: string
  /** One-time link that makes the first owner; null once there is one. */
  adminLink: string | null
  /** A working key, made and shown at the first start only. */
  apiKey: string | null
  /** Model of the embedded engine; null without one. */
  model: string | null
  /** Model of the one that only embeds; null without one. */
  embeddingModel: string | null
  toyModel: boolean
  /** Sentences that the person who started it should read. */
  notes: string[]
  /** Stops admitting, lets streams finish, settles and closes; safe to call again. */
  close(): Promise<void>
}

/** For asking an engine what a request came to that a crash of the gateway left open. */
const COUNT_MS_MAX = 1000

/** What every part is built from. */
interface Base {
  config: Config
  home: Home
  clock: Clock
  logger: Logger
  registry: ReturnType<typeof createRegistry>
  stack: AsyncDisposableStack
  onProgress: (message: string) => void
}

/**
 * Starts everything and resolves when requests are answered.
 * @throws GristmillError for whatever the person can put right; nothing is left running then
 */
export async function startGristmill(config: Config, options: StartOptions): Promise<Running> {
  const clock = systemClock
  const logger = createLogger(config.logLevel, 'gristmill')
  const { onProgress } = options
  const stack = new AsyncDisposableStack()
  try {
    await checkModels(config, clock, logger)
    const home = await openHome(config, clock, { what: 'gristmill start', onWait: onProgress })
    stack.defer(() => home.release())
    await checkPort(config.host, config.port)
    const registry = createRegistry()
    const running = await compose({ config, home, clock, logger, registry, stack, onProgress })
    let closing: Promise<void> | undefined
    const close = () => {
      closing ??= stack.disposeAsync()
      return closing
    }
    return { ...running, home: home.path, close }
  } catch (error) {
    await stack.disposeAsync()
    throw error
  }
}

async function compose(base: Base): Promise<Omit<Running, 'close' | 'home'>> {
  const { config, home, clock, logger, stack } = base
  const version = packageVersion()
  const opened = Promise.withResolvers<void>()
  const { writing, embedding } = launchEngines(base, opened.promise)
  const part = await openDatabasePart({ config, home, clock, logger, version }, stack)
  const data = await openDataPlane(base, part)
  opened.resolve()
  const writer = await writing
  if (writer) await followOwnEngine(writer, data.engines, stack)
  const embedder = await embedding
  if (embedder) await followOwnEngine(embedder, data.engines, stack)
  const countOf: CountOf = (requestId, engineId) => {
    const enough = new AbortController()
    clock.after(COUNT_MS_MAX, () => enough.abort())
    return data.engines.countOf(requestId, engineId, enough.signal)
  }
  const { member } = part
  const answersOf = storedIn(part.database.sql)
  const { priceOf } = data.toll
  await data.ledger.recover(countOf, answersOf, priceOf, member && [member.membership.number])
  if (member !== undefined) {
    const { ledger } = data
    const asked = { countOf, storedAnswers: answersOf, priceOf }
    settleLeftOpen({ member, ledger, ...asked, clock, logger, stack })
  }
  startWork(data, stack)
  const server = await openServer(base, part, data, [writer, embedder])
  const first = await data.tenancy.bootstrap()
  const adminLink = (await server.isFirstRun()) ? await server.ownerLink() : null
  const file = { url: server.url, pid: process.pid, databaseUrl: part.database.url }
  stack.defer(writeServerFile(home, file))
  return {
    url: server.url,
    adminLink,
    apiKey: first.key ?? null,
    model: writer?.model.name ?? null,
    embeddingModel: embedder?.model.name ?? null,
    toyModel: writer?.model.toy ?? false,
    notes: writer?.model.notes ?? [],
  }
}

/**
 * Models are fetched and engines started while the database starts; all take their time.
 * @param opened resolves when the database is there; a first measuring waits for it
 */
function launchEngines(base: Base, opened: Promise<void>) {
  const { config, home, clock, logger, onProgress } = base
  const writing =
    config.engine === 'none'
      ? undefined
      : launchOwnEngine(base, {
          id: EMBEDDED_ENGINE_ID,
          choosing: chooseModel(config, home, clock, logger, onProgress),
          quiet: measuresFirst(home) ? opened : undefined,
        })
  const name = config.embeddingModel
  const embedding =
    name === undefined
      ? undefined
      : launchOwnEngine(base, {
          id: EMBEDDING_ENGINE_ID,
          choosing: chooseEmbeddingModel(name, config, home, clock, logger, onProgress),
          quiet: writing,
        })
  return { writing, embedding }
}

interface DataPlane {
  alerts: BudgetAlerts
  toll: TollPart
  tenancy: Tenancy
  logins: LoginPart
  ledger: Ledger
  pool: Pool
  engines: EngineRegistry
  calibrations: Calibrations
  routes: RouteBook
  places: TargetPlaces
  gateway: Gateway
  batches: BatchPart
  traces: TracesPart
  conversations: ConversationPart
  background: ResponseRunner
}

async function openDataPlane(base: Base, part: DatabasePart): Promise<DataPlane> {
  const { database, lease, member, awayMsMax } = part
  const { config, home, clock, logger, registry, stack } = base
  const { limits } = config
  const random = systemRandom
  const logins = loginPart(config, home, database, clock)
  const { tokens } = logins
  const tenancy = await createTenancy({ database, clock, random, logger, tokens, awayMsMax })
  stack.defer(() => tenancy.close())
  const journal = await Journal.open(home.folder('journal'))
  const ledgerLimits = { ...limits, databaseAwayMsMax: awayMsMax }
  const ledgerParts = { database, journal, clock, logger, registry, limits: ledgerLimits }
  const ledger = createLedger({ ...ledgerParts, gateway: member?.membership.number })
  stack.defer(async () => {
    // What one that has left did not write is settled by others.
    if ((await ledger.close()) === 0) await member?.membership.leave()
  })
  await ledger.replay()
  const standard = defaultSchedulerConfig.cost
  const calibrations = await Calibrations.open({ database, clock, random, logger }, standard)
  const pool = openPool({ ...base, part, calibrations })
  const engines = await openEngines({ ...base, part, pool, calibrations })
  const routes = new RouteBook({ database, audit: tenancy.audit, clock, logger })
  await routes.open()
  stack.defer(() => routes.close())
  const places = new TargetPlaces(pool)
  const targets = new OutboundAddresses(config.webhookTargets)
  const common = { config, home, part, tenancy, clock, random, logger }
  const toll = await openTollPart({ ...common, ledger, routes, stack })
  const conversations = conversationPart({ ...common, stack })
  const version = packageVersion()
  const traces = await openTracesPart({ ...common, registry, targets, version, stack })
  const gateway = createGateway({
    telemetry: traces.telemetry,
    ...queueingOf({ pool, member, toll, clock, logger, stack }),
    ledger: ledgerWhileOurs(ledger, lease),
    models: engines,
    routes,
    places,
    prices: toll.prices,
    budgets: toll.budgets,
    tokenizer: engines,
    archive: conversations.responses,
    addresses: targets,
    clock,
    random,
    limits,
    logger,
    registry,
    saltSecret: sharedSecret(config, home, 'cache-salt'),
    endUserHeader: config.endUserHeader,
    revokeEndsStreams: config.revokeEndsStreams,
  })
  stack.defer(tenancy.onRevoked((keyId) => gateway.revoke(keyId)))
  stack.defer(tenancy.onWeight((...told) => pool.setWeight(...told)))
  const batches = batchPart({ ...common, gateway, pool, routes, targets })
  const { runner, sweep, sender } = batches
  for (const one of [runner, sweep, sender]) stack.defer(() => one.close())
  const alerts = alertsPart({ ...common, stack, budgets: toll.budgets, webhooks: batches.webhooks })
  const parts = { tenancy, logins, ledger, pool, engines, calibrations, routes, places, toll }
  return {
    ...parts,
    alerts,
    gateway,
    batches,
    traces,
    conversations,
    background: conversations.runner(gateway),
  }
}

/** Begins what nobody waits for; it asks again as soon as budgets that it waits for change. */
function startWork({ batches, background, toll }: DataPlane, stack: AsyncDisposableStack): void {
  const runners = [batches.runner, background]
  for (const runner of runners) runner.start()
  const askAgain = (tenantIds: ReadonlySet<string>) => {
    for (const runner of runners) runner.askAgain(tenantIds)
  }
  stack.defer(toll.budgets.onChange(askAgain))
}

async function openServer(
  base: Base,
  part: DatabasePart,
  data: DataPlane,
  own: readonly (OwnEngine | undefined)[],
): Promise<HttpServer> {
  const { config, clock, logger, registry, stack } = base
  const { tenancy, pool, gateway, ledger, batches, calibrations, engines: engineRegistry } = data
  const { sql } = part.database
  let isStopping = false
  const url = () => server.url
  const model = () => modelsOf(pool).find(({ embedsOnly }) => !embedsOnly)?.name
  const demo = createDemo({ tenancy, pool, url, model, clock, logger })
  const { limits } = config
  const plans = planDesk({ sql, clock, random: systemRandom, logger, limits })
  stack.defer(() => plans.close())
  const restartsOf = (id: string) => own.find((one) => one?.id === id)?.engine.restarts() ?? 0
  const engineParts = { registry: engineRegistry, pool, calibrations, sql, clock }
  const server: HttpServer = await createHttpServer({
    database: part.database,
    tenancy,
    gateway,
    ledger,
    queue: {
      entries: (tenantId, rowsMax) => queueOf(pool, clock, tenantId, rowsMax),
      waiting: (tenantId) => pool.waitingOf(tenantId),
    },
    engines: engineService({ ...engineParts, restartsOf }),
    ...data.toll.services,
    alerts: data.alerts,
    routes: routeService({ book: data.routes, places: data.places, pool, tenancy }),
    batches: batches.service,
    batchDoor: batches.door,
    fileDoor: batches.fileDoor,
    responseDoor: data.conversations.door,
    webhooks: batches.webhooks,
    traces: data.traces.destinations,
    demo,
    plans,
    floor: () => floorView(pool, tenancy, clock, demo.view()),
    readiness: () => readiness(part, ledger, pool, isStopping),
    cluster: { view: () => clusterView(part.member) },
    registry,
    clock,
    random: systemRandom,
    logger,
    host: config.host,
    port: config.port,
    publicUrl: config.publicUrl,
    trustedProxies: config.trustedProxies,
    limits,
    version: packageVersion(),
    peers: part.member,
    consoleFolder: fileURLToPath(new URL('../console/dist', import.meta.url)),
    ...data.logins.http,
  })
  await server.listen()
  stack.defer(() => server.close(1000))
  // Requests in flight end before the connections are closed under them.
  stack.defer(async () => {
    isStopping = true
    await part.member?.handOver()
    batches.runner.stop()
    data.background.stop()
    await gateway.drain()
  })
  stack.defer(async () => void (await demo.cancel()))
  return server
}

function packageVersion(): string {
  const path = fileURLToPath(new URL('../package.json', import.meta.url))
  const { version } = JSON.parse(readFileSync(path, 'utf8')) as { version?: string }
  if (version === undefined) throw new GristmillError('internal_error')
  return version
}
