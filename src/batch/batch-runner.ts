/**
 * Runs every batch that has not ended, in the one gateway that schedules. It looks at the
 * database every second and at once when it is woken, so a batch made or cancelled at another
 * gateway is found as well, and after a crash everything simply goes on.
 */
import { Rounds, toGristmillError } from '../base/index.ts'
import type { Principal } from '../tenancy/index.ts'
import { BatchRun } from './batch-run.ts'
import { batchesInTurn, failBatch, forgetBatches, noteReason } from './batch-store.ts'
import type { BatchRow } from './batch-types.ts'
import { forgetLines } from './line-store.ts'
import { whyOf } from './line-writer.ts'
import type { RunServices } from './run-services.ts'

export interface BatchRunnerOptions extends Omit<RunServices, 'runs'> {
  /** The principals of keys; missing where one has ended, null where it may not at present. */
  principalsOf(keyIds: readonly string[]): Promise<ReadonlyMap<string, Principal | null>>
  /** False while another gateway schedules. */
  isOurs(): boolean
}

const TICK_MS = 1000
/**
 * Batches of one tenant that run side by side; the others wait for one of them to end. Those that
 * get nowhere do not count, or they would hold up others that engines are free for.
 */
const RUNS_PER_TENANT_MAX = 16
/** Before a batch that failed for a reason of ours is gone on with. */
const AGAIN_MS = 2000
/** After the end of their batch. */
export const LINES_KEPT_MS = 24 * 3_600_000
const DAY_MS = 86_400_000
const TICKS_PER_SWEEP = 600
const MAY_NOT = 'The account behind its key may not at present.'

export class BatchRunner {
  readonly #options: BatchRunnerOptions
  readonly #runs = new Map<string, BatchRun>()
  readonly #ended = new Set<Promise<void>>()
  /** Whose key may not at present. */
  #resting = new Set<string>()
  /** Not before these times, by batch; milliseconds of the monotonic clock. */
  readonly #notBefore = new Map<string, number>()
  readonly #rounds: Rounds
  #ticks = 0

  constructor(options: BatchRunnerOptions) {
    this.#options = options
    this.#rounds = new Rounds(options.clock, TICK_MS, () => this.#look())
  }

  /** To be called once the ledger is recovered, so that no line runs beside what it was before. */
  start(): void {
    this.#rounds.start()
  }

  /** Looks at the database now: a batch was made, changed or has ended. */
  wake(): void {
    this.#rounds.wake()
  }

  /** Lines of these tenants that wait for a budget ask again: one of theirs has changed. */
  askAgain(tenantIds: ReadonlySet<string>): void {
    for (const run of this.#runs.values()) if (tenantIds.has(run.batch.tenantId)) run.askAgain()
  }

  /** The run of a batch, while it runs here. */
  runOf(batchId: string): BatchRun | undefined {
    return this.#runs.get(batchId)
  }

  /** Takes no further lines; what is in flight may end. */
  stop(): void {
    void this.#rounds.stop()
    for (const run of this.#runs.values()) run.shutDown()
  }

  /** Resolves when nothing runs any more. After `stop`, and after the gateway has drained. */
  async close(): Promise<void> {
    this.stop()
    await this.#rounds.stop()
    await Promise.all(this.#ended)
  }

  async #look(): Promise<void> {
    const { database, clock, logger, isOurs, principalsOf } = this.#options
    try {
      if (!isOurs()) {
        for (const run of this.#runs.values()) run.stop()
        return
      }
      const rows = await batchesInTurn(database.sql, {
        perTenantMax: RUNS_PER_TENANT_MAX,
        running: [...this.#runs.keys()],
        stuck: this.#stuck(),
        at: new Date(clock.nowMs()),
      })
      const keyIds = new Set(rows.map(({ keyId }) => keyId))
      const principals = await principalsOf([...keyIds])
      const others = await this.#rest(rows, principals)
      if (!this.#rounds.isStopped) this.#reconcile(others, principals)
      await this.#sweep()
    } catch (error) {
      logger.warn(whyOf(error), 'batches could not be looked at; they go on in a second')
    }
  }

  /** Those that get nowhere. */
  #stuck(): string[] {
    const stuck = [...this.#runs.values()].flatMap(({ batch, isStuck }) =>
      isStuck ? [batch.id] : [],
    )
    return [...stuck, ...this.#resting]
  }

  /** Lets those wait whose key may not at present, unless they end. @returns the others */
  async #rest(
    rows: readonly BatchRow[],
    principals: ReadonlyMap<string, Principal | null>,
  ): Promise<BatchRow[]> {
    const { database, clock } = this.#options
    const nowMs = clock.nowMs()
    const [resting, others] = [new Set<string>(), [] as BatchRow[]]
    for (const row of rows) {
      const { id, keyId, status, expiresAt, reason } = row
      const isBegun = status === 'validating' || status === 'in_progress'
      if (principals.get(keyId) !== null || !isBegun || nowMs >= expiresAt.getTime()) {
        others.push(row)
        continue
      }
      resting.add(id)
      this.#runs.get(id)?.rest()
      if (status === 'in_progress' && reason !== MAY_NOT) {
        await noteReason(database.sql, id, MAY_NOT)
      }
    }
    this.#resting = resting
    return others
  }

  #reconcile(rows: readonly BatchRow[], principals: ReadonlyMap<string, Principal | null>): void {
    const standings = [...this.#runs.values()].map(({ forecast }) => forecast.standing)
    const othersMatter = standings.some((standing) => standing !== 'hopeless')
    for (const row of rows) {
      const principal = principals.get(row.keyId) ?? null
      const run = this.#runs.get(row.id)
      if (run === undefined) this.#begin(row, principal)
      else {
        const yields = othersMatter && run.forecast.standing === 'hopeless'
        run.tick(row, principal, yields)
      }
    }
  }

  #begin(row: BatchRow, principal: Principal | null): void {
    const { clock } = this.#options
    if (clock.monotonicMs() < (this.#notBefore.get(row.id) ?? 0)) return
    const services = { ...this.#options, runs: () => this.#runs.size }
    const run = new BatchRun(services, row, principal)
    run.tick(row, principal, false)
    this.#runs.set(row.id, run)
    const ended = this.#follow(run).finally(() => {
      this.#ended.delete(ended)
      this.#runs.delete(row.id)
      this.wake()
    })
    this.#ended.add(ended)
  }

  async #follow(run: BatchRun): Promise<void> {
    const { clock, logger } = this.#options
    const batchId = run.batch.id
    try {
      await run.run()
      this.#notBefore.delete(batchId)
    } catch (error) {
      this.#notBefore.set(batchId, clock.monotonicMs() + AGAIN_MS)
      if (this.#rounds.isStopped) return
      logger.error({ ...whyOf(error), batchId }, 'a batch stopped; it goes on in two seconds')
      if (toGristmillError(error).code === 'not_found') await this.#giveUp(run.batch)
    }
  }

  /** Its files are gone, so there is nowhere to put an answer. */
  async #giveUp({ id }: BatchRow): Promise<void> {
    const { database, clock, logger, onEnded } = this.#options
    const message = 'The files of the batch were destroyed.'
    const errors = [{ code: 'files_missing', line: null, message, param: null }]
    try {
      await database.transaction(async (sql) => {
        const failed = await failBatch(sql, id, errors, new Date(clock.nowMs()))
        if (failed) await onEnded(sql, failed)
      })
    } catch (error) {
      logger.warn({ err: error, batchId: id }, 'a batch without files could not be ended yet')
    }
  }

  async #sweep(): Promise<void> {
    if (this.#ticks++ % TICKS_PER_SWEEP !== 0) return
    const { database, clock, limits } = this.#options
    const before = (keptMs: number) => new Date(clock.nowMs() - keptMs)
    const hasLines = await forgetLines(database.sql, before(LINES_KEPT_MS))
    const hasBatches = await forgetBatches(database.sql, before(limits.batchDays * DAY_MS))
    // In the next second, or more would end than are forgotten.
    if (hasLines || hasBatches) this.#ticks = 0
  }
}
