/**
 * The routes of this installation: all versions in the database, the newest in memory, where every
 * gateway has a new one as soon as it is stored.
 */
import { type Clock, GristmillError, type Logger, Reading } from '../base/index.ts'
import type { Guard } from '../guard/index.ts'
import type { Database } from '../store/index.ts'
import type { Actor, AuditLog, Page, PageRequest } from '../tenancy/index.ts'
import { insertVersion, readVersion, readVersions } from './route-rows.ts'
import { readDocument } from './schema.ts'
import type { Route, RouteVersion, RouteVersionHead } from './types.ts'

export interface RouteBookOptions {
  database: Database
  audit: AuditLog
  clock: Clock
  logger: Logger
}

const NONE: RouteVersion = {
  version: 0,
  at: new Date(0),
  actor: '',
  note: '',
  routes: [],
  guards: [],
}

export class RouteBook {
  readonly #options: RouteBookOptions
  readonly #reading: Reading
  #current = NONE
  #byName: ReadonlyMap<string, Route> = new Map()
  #unlisten: (() => void) | undefined

  constructor(options: RouteBookOptions) {
    this.#options = options
    this.#reading = new Reading({
      clock: options.clock,
      read: () => this.#read(),
      onFailing: (error) =>
        options.logger.warn({ err: error }, 'the routes could not be read; the ones before hold'),
    })
  }

  /** Reads the newest version and listens for newer ones. */
  async open(): Promise<void> {
    const look = () => this.#reading.soon()
    this.#unlisten = await this.#options.database.listen('routes', look, (state) => {
      if (state === 'up') look()
    })
    await this.#reading.now()
  }

  /** The route that has a name or alias. */
  find(name: string): Route | undefined {
    return this.#byName.get(name)
  }

  /** As they hold now, in the order in which they are written. */
  list(): readonly Route[] {
    return this.#current.routes
  }

  /** The guards that hold; the same list until it changes. */
  get guards(): readonly Guard[] {
    return this.#current.guards
  }

  get current(): RouteVersion {
    return this.#current
  }

  /** Newest first, without what they hold. */
  async versions({ limit, cursor }: PageRequest): Promise<Page<RouteVersionHead>> {
    const before = cursor === undefined ? VERSION_MAX : Number(cursor)
    const from = Number.isSafeInteger(before) && before > 0 ? Math.min(before, VERSION_MAX) : 0
    const rows = await readVersions(this.#options.database.sql, from, limit + 1)
    const kept = rows.slice(0, limit)
    const last = kept.at(-1)
    return { rows: kept, next: rows.length > limit && last ? String(last.version) : null }
  }

  /** @throws GristmillError `not_found` */
  async version(version: number): Promise<RouteVersion> {
    if (version === 0) return NONE
    const found = await readVersion(this.#options.database.sql, version)
    if (found) return found
    throw new GristmillError('not_found', { kind: 'version of the routes', id: String(version) })
  }

  /**
   * Stores routes as the newest version, which holds at once.
   * @param value `{ routes, guards }`; guards that it does not name stay as they are
   * @param base the version they were made from; undefined: whatever holds
   * @throws GristmillError `invalid_routes`; `conflict` where another version came between
   */
  async apply(value: unknown, actor: Actor, note = '', base?: number): Promise<RouteVersion> {
    const { routes, guards } = readDocument(value)
    const newest = (await readVersion(this.#options.database.sql)) ?? NONE
    const before = newest.version
    if (base !== undefined && base !== before) throw overtaken(before)
    const held = { routes, guards: guards ?? newest.guards }
    return this.#store(held, before, actor, 'route.apply', note)
  }

  /**
   * Makes an earlier version the newest once more.
   * @param to undefined: the one before the current
   * @throws GristmillError `not_found`; `conflict` where another version came between
   */
  async rollback(actor: Actor, to?: number): Promise<RouteVersion> {
    const newest = await readVersion(this.#options.database.sql)
    const before = newest?.version ?? 0
    const { version, routes, guards } = await this.version(to ?? before - 1)
    return this.#store(
      { routes, guards },
      before,
      actor,
      'route.rollback',
      `version ${version} again`,
    )
  }

  close(): void {
    this.#unlisten?.()
    void this.#reading.stop()
  }

  async #read(): Promise<void> {
    const newest = (await readVersion(this.#options.database.sql)) ?? NONE
    this.#current = newest
    this.#byName = new Map(
      newest.routes.flatMap((route) =>
        [route.name, ...route.aliases].map((name) => [name, route] as const),
      ),
    )
  }

  async #store(
    { routes, guards }: Pick<RouteVersion, 'routes' | 'guards'>,
    before: number,
    actor: Actor,
    action: string,
    note: string,
  ): Promise<RouteVersion> {
    const { database, clock, audit } = this.#options
    const version = before + 1
    const stored = { version, at: new Date(clock.nowMs()), actor: actor.name, note, routes, guards }
    await database.transaction(async (sql) => {
      if (!(await insertVersion(sql, stored))) throw overtaken(version)
      const names = routes.map(({ name }) => name).slice(0, NAMES_AUDITED)
      const guarding = guards.map(({ name }) => name)
      const detail = { version, routes: routes.length, names, guards: guarding, note }
      await audit.record(
        actor,
        { action, subject: `routes:${version}`, tenantId: null, detail },
        sql,
      )
    })
    await this.#reading.now()
    return stored
  }
}

const VERSION_MAX = 2_147_483_647
const NAMES_AUDITED = 100

function overtaken(version: number): GristmillError {
  const reason = `Version ${version} of the routes was stored meanwhile`
  return new GristmillError('conflict', { reason })
}
