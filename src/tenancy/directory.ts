/**
 * Names, hues and weights of all tenants in memory, archived ones included, for whatever shows
 * tenants many times a second. Kept current by the change listener.
 */
import type { Logger } from '../base/index.ts'
import type { Database } from '../store/index.ts'

export interface TenantLabel {
  id: string
  name: string
  hue: number
  weight: number
  archived: boolean
  pricePlan: string | null
  timeZone: string
}

export class TenantDirectory {
  readonly #database: Database
  readonly #logger: Logger
  #labels: ReadonlyMap<string, TenantLabel> = new Map()
  #reading: Promise<void> | undefined
  #stale = true

  constructor(database: Database, logger: Logger) {
    this.#database = database
    this.#logger = logger
  }

  /** The labels as last read; a change is in it a moment after it was made. */
  labels(): ReadonlyMap<string, TenantLabel> {
    return this.#labels
  }

  /** Something changed: reads anew, once more if it changes again meanwhile. */
  refresh(): Promise<void> {
    this.#stale = true
    this.#reading ??= this.#readWhileStale().finally(() => {
      this.#reading = undefined
    })
    return this.#reading
  }

  async #readWhileStale(): Promise<void> {
    while (this.#stale) {
      this.#stale = false
      try {
        const rows = await this.#database.sql<TenantLabel[]>`
          select id, name, hue, weight, archived_at is not null as archived,
            price_plan as "pricePlan", time_zone as "timeZone"
          from tenants`
        this.#labels = new Map(rows.map((row) => [row.id, row]))
      } catch (error) {
        // The listener reports `up` when the database is back, and we read again.
        this.#logger.warn({ error }, 'the list of tenants could not be read')
      }
    }
  }
}
