/**
 * Names, hues and weights of all tenants in memory, archived ones included, for whatever shows
 * tenants many times a second. Kept current by the change listener; tells what weighs anew.
 */
import { type Clock, type Logger, Reading } from '../base/index.ts'
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

/** @param projectId where the weight is not the tenant's but that of a project of it */
export type WeightCallback = (weight: number, tenantId: string, projectId?: string) => void

/** What projects weigh until somebody says otherwise. */
const PROJECT_WEIGHT = 1

interface ProjectRow {
  id: string
  tenantId: string
  weight: number
}

interface Rows {
  labels: ReadonlyMap<string, TenantLabel>
  /** Projects that weigh other than most do: few, however many there are. */
  projects: ReadonlyMap<string, ProjectRow>
}

export interface DirectoryOptions {
  database: Database
  clock: Clock
  logger: Logger
}

export class TenantDirectory {
  readonly #database: Database
  readonly #reading: Reading
  #rows: Rows = { labels: new Map(), projects: new Map() }
  readonly #weightCallbacks = new Set<WeightCallback>()

  constructor({ database, clock, logger }: DirectoryOptions) {
    this.#database = database
    this.#reading = new Reading({
      clock,
      read: () => this.#read(),
      onFailing: (error) =>
        logger.warn({ err: error }, 'the list of tenants could not be read; the one before holds'),
    })
  }

  /** The labels as last read; a change is in it a moment after it was made. */
  labels(): ReadonlyMap<string, TenantLabel> {
    return this.#rows.labels
  }

  /** Calls back with every weight that changes from now on; returns how to stop. */
  onWeight(callback: WeightCallback): () => void {
    this.#weightCallbacks.add(callback)
    return () => this.#weightCallbacks.delete(callback)
  }

  /** Reads for the first time. @throws what the database throws */
  open(): Promise<void> {
    return this.#reading.now()
  }

  /** Something changed: reads anew. */
  changed(): void {
    this.#reading.soon()
  }

  close(): Promise<void> {
    return this.#reading.stop()
  }

  async #read(): Promise<void> {
    const { sql } = this.#database
    const [labels, projects] = await Promise.all([
      sql<TenantLabel[]>`
        select id, name, hue, weight, archived_at is not null as archived,
          price_plan as "pricePlan", time_zone as "timeZone"
        from tenants`,
      sql<ProjectRow[]>`
        select id, tenant_id as "tenantId", weight from projects
        where weight <> ${PROJECT_WEIGHT}`,
    ])
    this.#take({ labels: byId(labels), projects: byId(projects) })
  }

  #take(rows: Rows): void {
    const { labels, projects } = this.#rows
    this.#rows = rows
    for (const { id, weight } of rows.labels.values()) {
      if (weight !== labels.get(id)?.weight) this.#tell(weight, id)
    }
    for (const { id, tenantId, weight } of rows.projects.values()) {
      if (weight !== projects.get(id)?.weight) this.#tell(weight, tenantId, id)
    }
    for (const { id, tenantId } of projects.values()) {
      if (!rows.projects.has(id)) this.#tell(PROJECT_WEIGHT, tenantId, id)
    }
  }

  #tell(...told: Parameters<WeightCallback>): void {
    for (const callback of this.#weightCallbacks) callback(...told)
  }
}

const byId = <Row extends { id: string }>(rows: readonly Row[]): ReadonlyMap<string, Row> =>
  new Map(rows.map((row) => [row.id, row]))
