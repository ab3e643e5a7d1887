/**
 * Destroys what nobody may have any more: expired files, uploads that a crash cut off, and the
 * content of tenants that were archived. One gateway at a time does it.
 */
import { type Clock, GristmillError, type Limits, type Logger } from '../base/index.ts'
import type { Database, Transaction } from '../store/index.ts'
import type { FileStore } from './file-store.ts'
import { destroyAll, Sweep } from './sweep.ts'

export interface FileSweepOptions {
  database: Database
  files: FileStore
  clock: Clock
  logger: Logger
  limits: Pick<Limits, 'uploadMsMax'>
  /** Whether a tenant lives; asked for every tenant that has content. */
  isLiving(tenantId: string): Promise<boolean>
}

/** After the longest time that an upload may take; a slow one has no piece before its end. */
const ABANDONED_MS = 60_000
const FILES_AT_ONCE = 20
const LOCK_KEY = 0x67_66_69_6c

export class FileSweep {
  readonly #options: FileSweepOptions
  readonly #sweep: Sweep

  /** Begins to sweep once a minute. */
  constructor(options: FileSweepOptions) {
    this.#options = options
    this.#sweep = new Sweep({ ...options, what: 'files', sweep: () => this.sweep() })
  }

  /** Destroys all that is due, unless another gateway is at it. @returns how many files */
  async sweep(): Promise<number> {
    const { files, clock, limits } = this.#options
    const abandonedBefore = new Date(clock.nowMs() - limits.uploadMsMax - ABANDONED_MS)
    let destroyed = await this.#all((sql) => files.destroyOld(sql, abandonedBefore, FILES_AT_ONCE))
    for (const tenantId of await files.tenantIds()) {
      if (await this.#options.isLiving(tenantId)) continue
      destroyed += await this.#all((sql) => files.destroyOf(sql, tenantId, FILES_AT_ONCE))
    }
    return destroyed
  }

  #all(destroySome: (sql: Transaction) => Promise<number>): Promise<number> {
    return destroyAll(this.#options.database, LOCK_KEY, FILES_AT_ONCE, destroySome)
  }

  /** Ends it; what is being destroyed is waited for. */
  close(): Promise<void> {
    return this.#sweep.close()
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
