/**
 * Destroys what nobody may have any more: expired files, uploads that a crash cut off, and the
 * content of tenants that were archived. One gateway at a time does it.
 */
import { type Clock, GristmillError, type Logger, type Timer } from '../base/index.ts'
import type { Database, Transaction } from '../store/index.ts'
import type { FileStore } from './file-store.ts'

export interface FileSweepOptions {
  database: Database
  files: FileStore
  clock: Clock
  logger: Logger
  /** Whether a tenant lives; asked for every tenant that has content. */
  isLiving(tenantId: string): Promise<boolean>
}

const PERIOD_MS = 60_000
/** Longer than a client may take between two pieces of an upload. */
const ABANDONED_MS = 15 * 60_000
const FILES_AT_ONCE = 20
const LOCK_KEY = 0x67_66_69_6c

export class FileSweep {
  readonly #options: FileSweepOptions
  readonly #timer: Timer
  #running: Promise<void> | undefined

  /** Begins to sweep once a minute. */
  constructor(options: FileSweepOptions) {
    this.#options = options
    this.#timer = options.clock.every(PERIOD_MS, () => {
      this.#running ??= this.#attempt().finally(() => {
        this.#running = undefined
      })
    })
  }

  /** Destroys all that is due, unless another gateway is at it. @returns how many files */
  async sweep(): Promise<number> {
    const { files, clock } = this.#options
    const abandonedBefore = new Date(clock.nowMs() - ABANDONED_MS)
    let destroyed = await this.#all((sql) => files.destroyOld(sql, abandonedBefore, FILES_AT_ONCE))
    for (const tenantId of await files.tenantIds()) {
      if (await this.#options.isLiving(tenantId)) continue
      destroyed += await this.#all((sql) => files.destroyOf(sql, tenantId, FILES_AT_ONCE))
    }
    return destroyed
  }

  /** A few files in one transaction, so that none takes long, until there are no more. */
  async #all(destroySome: (sql: Transaction) => Promise<number>): Promise<number> {
    for (let destroyed = 0; ; ) {
      const count = await this.#options.database.transaction(async (sql) => {
        const [lock] = await sql<{ taken: boolean }[]>`
          select pg_try_advisory_xact_lock(${LOCK_KEY}) as taken`
        return lock?.taken ? destroySome(sql) : 0
      })
      destroyed += count
      if (count < FILES_AT_ONCE) return destroyed
    }
  }

  /** Ends it; what is being destroyed is waited for. */
  async close(): Promise<void> {
    this.#timer.cancel()
    await this.#running
  }

  async #attempt(): Promise<void> {
    const { logger } = this.#options
    try {
      const files = await this.sweep()
      if (files > 0) logger.info({ files }, 'old files were destroyed')
    } catch (error) {
      logger.warn({ err: error }, 'old files could not be destroyed; tried again in a minute')
    }
  }
}

/** What `get` says about a tenant as a yes or no; other errors stay errors. */
export async function livesBy(get: (id: string) => Promise<unknown>, id: string) {
  try {
    await get(id)
    return true
  } catch (error) {
    if (error instanceof GristmillError && error.code === 'not_found') return false
    throw error
  }
}
