/** Who follows requests from outside: the operator's collector, and those of tenants. */
import type { Clock, Config, Logger, Random, Registry } from '../base/index.ts'
import type { Telemetry } from '../gateway/index.ts'
import type { Home, OutboundAddresses } from '../host/index.ts'
import type { DatabasePart } from './database-part.ts'
import { openTelemetry } from './telemetry.ts'
import { TenantTraces } from './tenant-traces.ts'
import { TraceDestinations } from './trace-destinations.ts'

export interface TracesPart {
  telemetry: Telemetry
  destinations: TraceDestinations
}

export interface TracesPartOptions {
  config: Config
  home: Home
  part: DatabasePart
  clock: Clock
  random: Random
  logger: Logger
  registry: Registry
  /** Where traces of tenants may go. */
  targets: OutboundAddresses
  version: string
  stack: AsyncDisposableStack
}

export async function openTracesPart(options: TracesPartOptions): Promise<TracesPart> {
  const { config, home, part, logger, version, stack } = options
  const operator = config.traces && (await openTelemetry(config.traces, version, logger))
  stack.defer(() => operator?.close())
  const tenants = new TenantTraces(options)
  stack.defer(() => tenants.close())
  const destinations = new TraceDestinations({
    ...options,
    database: part.database,
    limits: config.limits,
    masterKey: config.contentKey ?? home.secret('content'),
    onChange: (all) => tenants.use(all),
  })
  stack.defer(() => destinations.close())
  await destinations.open()
  const telemetry: Telemetry = {
    follows: (tenantId) => operator !== undefined || tenants.follows(tenantId),
    ended(request, fields) {
      operator?.ended(request)
      tenants.ended(request, fields)
    },
  }
  return { telemetry, destinations }
}
