/**
 * Runs the responses in the background, in the one gateway that schedules. It looks at the database
 * every second and at once when it is woken, so one that was queued or cancelled at another gateway
 * is found as well, and after a crash everything runs again that has no answer.
 */
import { type Clock, type Limits, type Logger, type Random, Rounds } from '../base/index.ts'
import { whyOf } from '../batch/index.ts'
import type { Gateway } from '../gateway/index.ts'
import type { Database, Fence } from '../store/index.ts'
import type { Principal } from '../tenancy/index.ts'
import { BackgroundRun } from './background-run.ts'
import { type BackgroundRow, noteRunning, unendedResponses } from './background-store.ts'
import type { ResponseStore } from './response-store.ts'

export interface ResponseRunnerOptions {
  database: Database
  responses: ResponseStore
  gateway: Pick<Gateway, 'runLine' | 'readQueued'>
  clock: Clock
  random: Random
  limits: Pick<Limits, 'backgroundMsMax' | 'batchModelWaitMsMax'>
  logger: Logger
  /** The principal of a key; null where it has ended. */
  principalOf(keyId: string): Promise<Principal | null>
  /** False while another gateway schedules. */
  isOurs(): boolean
  /** The right to schedule as it is now; answers are stored only while it is still ours. */
  fence(): Fence
}

const TICK_MS = 1000

export class ResponseRunner {
  readonly #options: ResponseRunnerOptions
  readonly #runs = new Map<string, BackgroundRun>()
  readonly #ended = new Set<Promise<void>>()
  readonly #rounds: Rounds

  constructor(options: ResponseRunnerOptions) {
    this.#options = options
    this.#rounds = new Rounds(options.clock, TICK_MS, () => this.#look())
    options.responses.runBy(this)
  }

  /** To be called once the ledger is recovered, so that nothing runs beside what it was before. */
  start(): void {
    this.#rounds.start()
  }

  /** Looks at the database now: a response was queued, cancelled or deleted. */
  wake(): void {
    this.#rounds.wake()
  }

  /** Those of these tenants that wait for a budget ask again: one of theirs has changed. */
  askAgain(tenantIds: ReadonlySet<string>): void {
    for (const run of this.#runs.values()) if (tenantIds.has(run.tenantId)) run.askAgain()
  }

  /** True while an engine works on it for us; others hear of that within a second. */
  isRunning(id: string): boolean {
    return this.#runs.get(id)?.isRunning === true
  }

  /** Begins nothing new; what runs may end. */
  stop(): void {
    void this.#rounds.stop()
    for (const run of this.#runs.values()) run.stop()
  }

  /** Resolves when nothing runs any more. After `stop`, and after the gateway has drained. */
  async close(): Promise<void> {
    this.stop()
    await this.#rounds.stop()
    await Promise.all(this.#ended)
  }

  async #look(): Promise<void> {
    const { database, logger, isOurs } = this.#options
    try {
      if (!isOurs()) {
        for (const run of this.#runs.values()) run.cut()
        return
      }
      const rows = await unendedResponses(database.sql)
      const ids = new Set(rows.map(({ id }) => id))
      for (const run of this.#runs.values()) if (!ids.has(run.id)) run.cut()
      const isNews = ({ id, status }: BackgroundRow) => status === 'queued' && this.isRunning(id)
      await noteRunning(
        database.sql,
        rows.filter(isNews).map(({ id }) => id),
      )
      for (const row of rows) if (!this.#runs.has(row.id)) this.#begin(row)
    } catch (error) {
      logger.warn(whyOf(error), 'responses could not be looked at; they go on in a second')
    }
  }

  #begin(row: BackgroundRow): void {
    if (this.#rounds.isStopped) return
    const { logger } = this.#options
    const run = new BackgroundRun(this.#options, row)
    this.#runs.set(row.id, run)
    const ended = run
      .run()
      .catch((error: unknown) => {
        logger.warn({ ...whyOf(error), responseId: row.id }, 'a response stopped; it is run again')
      })
      .finally(() => {
        this.#runs.delete(row.id)
        this.#ended.delete(ended)
      })
    this.#ended.add(ended)
  }
}
