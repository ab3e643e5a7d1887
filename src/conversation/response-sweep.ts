/** Destroys responses that are older than their tenant keeps them. */
import type { Clock, Logger } from '../base/index.ts'
import { destroyAll, Sweep } from '../batch/index.ts'
import type { Database } from '../store/index.ts'
import type { ResponseStore } from './response-store.ts'

export interface ResponseSweepOptions {
  database: Database
  responses: ResponseStore
  clock: Clock
  logger: Logger
  /** Days that tenants keep them; archived ones are missing. */
  keptDays(): Promise<ReadonlyMap<string, number>>
}

const DAY_MS = 86_400_000
const RESPONSES_AT_ONCE = 50
const LOCK_KEY = 0x67_72_65_73

export class ResponseSweep {
  readonly #options: ResponseSweepOptions
  readonly #sweep: Sweep

  /** Begins to sweep once a minute. */
  constructor(options: ResponseSweepOptions) {
    this.#options = options
    this.#sweep = new Sweep({ ...options, what: 'responses', sweep: () => this.sweep() })
  }

  /** Destroys all that is due, unless another gateway is at it. @returns how many */
  async sweep(): Promise<number> {
    const { database, responses, clock, keptDays } = this.#options
    const oldestOf = await responses.oldestByTenant()
    // After that, so that whoever is among them is known.
    const days = await keptDays()
    let destroyed = 0
    for (const [tenantId, oldest] of oldestOf) {
      const madeBefore = new Date(clock.nowMs() - (days.get(tenantId) ?? 0) * DAY_MS)
      if (oldest > madeBefore) continue
      destroyed += await destroyAll(database, LOCK_KEY, RESPONSES_AT_ONCE, (sql) =>
        responses.destroyOld(sql, tenantId, madeBefore, RESPONSES_AT_ONCE),
      )
    }
    return destroyed
  }

  /** Ends it; what is being destroyed is waited for. */
  close(): Promise<void> {
    return this.#sweep.close()
  }
}
