/**
 * Where tenants have traces of their requests sent: rows, and in memory, where every gateway has a
 * change at once. Sending is not done here.
 */
import {
  type Clock,
  GristmillError,
  type Limits,
  type Logger,
  type Random,
  Reading,
  sealBytes,
  unsealBytes,
} from '../base/index.ts'
import type { OutboundAddresses } from '../host/index.ts'
import type { TraceDestination, TraceDestinationInput } from '../http/index.ts'
import type { Database } from '../store/index.ts'

export interface Destination extends TraceDestination {
  tenantId: string
  /** The headers as they are stored, which differ at each change. */
  sealed: Buffer
  headers: Record<string, string>
}

export interface TraceDestinationsOptions {
  database: Database
  clock: Clock
  random: Random
  logger: Logger
  limits: Limits
  /** Seals the headers; the same as that of content. */
  masterKey: Uint8Array
  targets: OutboundAddresses
  /** Told of all there are whenever that changes; what has not changed is the same object. */
  onChange: (all: ReadonlyMap<string, Destination>) => Promise<void>
}

interface Row {
  tenantId: string
  url: string
  sealed: Buffer
  withPrompts: boolean
  createdAt: Date
  changedAt: Date
}

const placeOf = (tenantId: string) => `traces:${tenantId}`

export class TraceDestinations {
  readonly #options: TraceDestinationsOptions
  #all: ReadonlyMap<string, Destination> = new Map()
  readonly #reading: Reading
  #unlisten: (() => void) | undefined

  constructor(options: TraceDestinationsOptions) {
    this.#options = options
    this.#reading = new Reading({
      clock: options.clock,
      read: () => this.#read(),
      onFailing: (error) =>
        options.logger.warn(
          { err: error },
          'destinations of traces could not be read; those before hold',
        ),
    })
  }

  /** Reads them and listens for changes. */
  async open(): Promise<void> {
    const look = () => this.#reading.soon()
    this.#unlisten = await this.#options.database.listen('trace_destinations', look, (state) => {
      if (state === 'up') look()
    })
    await this.#reading.now()
  }

  async close(): Promise<void> {
    this.#unlisten?.()
    await this.#reading.stop()
  }

  /** @throws GristmillError `not_found` */
  async get(tenantId: string): Promise<TraceDestination> {
    const [row] = await this.#rows(tenantId)
    if (!row)
      throw new GristmillError('not_found', {
        kind: 'destination of traces of tenant',
        id: tenantId,
      })
    return this.#opened(row)
  }

  /**
   * Where traces of a tenant go from now on, in place of what was.
   * @throws GristmillError `invalid_value` where the URL is not one that may be reached; `conflict`
   *   where there are as many as may be
   */
  async set(tenantId: string, input: TraceDestinationInput): Promise<void> {
    const { database, clock, random, limits, masterKey, targets } = this.#options
    const { href: url } = targets.check(input.url)
    const text = Buffer.from(JSON.stringify(input.headers))
    const sealed = sealBytes(masterKey, text, placeOf(tenantId), random)
    const at = new Date(clock.nowMs())
    const set = await database.sql`
      insert into trace_destinations
        (tenant_id, url, sealed_headers, with_prompts, created_at, changed_at)
      select ${tenantId}, ${url}, ${sealed}, ${input.withPrompts}, ${at}, ${at}
      where (select count(*) from trace_destinations where tenant_id <> ${tenantId})
        < ${limits.traceDestinationsMax}
      on conflict (tenant_id) do update set url = excluded.url,
        sealed_headers = excluded.sealed_headers, with_prompts = excluded.with_prompts,
        changed_at = excluded.changed_at
      returning tenant_id`
    if (set.length === 0) {
      const reason = `GRISTMILL_TRACE_DESTINATIONS_MAX: ${limits.traceDestinationsMax} tenants have one`
      throw new GristmillError('conflict', { reason })
    }
    await this.#reading.now()
  }

  async remove(tenantId: string): Promise<void> {
    await this.#options.database.sql`delete from trace_destinations where tenant_id = ${tenantId}`
    await this.#reading.now()
  }

  async #read(): Promise<void> {
    const all = new Map<string, Destination>()
    for (const row of await this.#rows()) {
      const { tenantId, sealed } = row
      const known = this.#all.get(tenantId)
      if (known?.sealed.equals(sealed)) {
        all.set(tenantId, known)
        continue
      }
      try {
        all.set(tenantId, this.#opened(row))
      } catch (error) {
        const { logger } = this.#options
        logger.warn(
          { err: error, tenantId },
          'the destination of traces of a tenant cannot be read',
        )
      }
    }
    await this.#options.onChange(all)
    this.#all = all
  }

  #rows(tenantId?: string): Promise<Row[]> {
    const { sql } = this.#options.database
    const one = tenantId === undefined ? sql`true` : sql`tenant_id = ${tenantId}`
    return sql<Row[]>`
      select tenant_id as "tenantId", url, sealed_headers as sealed,
        with_prompts as "withPrompts", created_at as "createdAt", changed_at as "changedAt"
      from trace_destinations where ${one} order by created_at, tenant_id`
  }

  #opened(row: Row): Destination {
    const { masterKey } = this.#options
    const text = unsealBytes(masterKey, row.sealed, placeOf(row.tenantId)).toString('utf8')
    const headers = JSON.parse(text) as Record<string, string>
    return { ...row, headers, headerNames: Object.keys(headers) }
  }
}
