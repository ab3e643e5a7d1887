/**
 * One batch on its way to its end: looked through, run line by line, and closed with whatever has
 * an answer. Every step can be begun again after a crash; what a step has done is in the database
 * and nowhere else.
 */
import {
  type Clock,
  GristmillError,
  type Limits,
  type Logger,
  newId,
  type Random,
  type Timer,
  toGristmillError,
} from '../base/index.ts'
import type { Gateway, LineEnd, RunningLine } from '../gateway/index.ts'
import type { Database, Fence, Transaction } from '../store/index.ts'
import type { Principal } from '../tenancy/index.ts'
import { closeBatch } from './batch-close.ts'
import { BatchPace, type Forecast } from './batch-pace.ts'
import { beginBatch, failBatch, finalizeBatch, findBatch } from './batch-store.ts'
import type { BatchError, BatchRow, EndCode } from './batch-types.ts'
import { validateInput } from './batch-validation.ts'
import type { FileStore } from './file-store.ts'
import { type InputLine, isBlank, readLine } from './line-format.ts'
import { endedLines, noteTries, storeEnds, triesOf } from './line-store.ts'
import { verdictOn } from './line-verdict.ts'
import { type LineFate, LineWriter, whyOf } from './line-writer.ts'

export interface RunServices {
  database: Database
  files: FileStore
  gateway: Pick<Gateway, 'runLine' | 'checkLine'>
  clock: Clock
  random: Random
  limits: Limits
  logger: Logger
  /** The right to schedule as it is now; answers are stored only while it is still ours. */
  fence(): Fence
  /** Batches that run at the moment, this one included. */
  runs(): number
  /** Runs in the transaction that ends a batch. */
  onEnded(sql: Transaction, batch: BatchRow): Promise<void>
}

/** What the pool could do for a batch. */
export interface Room {
  /** Sequences that engines run at once. */
  slots: number
  /** Service units per second if they did nothing else; null where nobody knows. */
  capacityUnitsPerS: number | null
  /** Units of a token. */
  cost: { input: number; output: number }
}

interface Outstanding extends InputLine {
  line: number
  attempt: number
  running: RunningLine | null
  /** Set while it waits for its next try. */
  retry: Timer | null
}

/** Lines kept beyond twice the slots, so that the pool does not wait for the database. */
const SPARE_LINES = 8

export class BatchRun {
  readonly #services: RunServices
  readonly #writer: LineWriter
  readonly #pace = new BatchPace()
  readonly #outstanding = new Map<number, Outstanding>()
  /** Of the bodies of those lines. */
  #heldBytes = 0
  #batch: BatchRow
  #principal: Principal | null
  #room: Room = { slots: 1, capacityUnitsPerS: null, cost: { input: 1, output: 2 } }
  #forecast: Forecast
  #yields = false
  #isStopping = false
  #isClearing = false
  /** Why it does not go on though lines are left. */
  #ending: { endCode: EndCode; reason: string } | null = null
  #waiters: (() => void)[] = []

  /** @param principal null where the key it was made with has ended */
  constructor(services: RunServices, batch: BatchRow, principal: Principal | null) {
    const { clock, logger, database, files } = services
    this.#services = services
    this.#batch = batch
    this.#principal = principal
    this.#forecast = this.#foresee()
    const fence = services.fence()
    this.#writer = new LineWriter({
      clock,
      logger,
      batchId: batch.id,
      store: (ends) => storeEnds(database, files, batch, ends, fence),
      onBroken: () => this.#wake(),
    })
  }

  get batch(): BatchRow {
    return this.#batch
  }

  get forecast(): Forecast {
    return this.#forecast
  }

  /** Lines that wait for an engine, and lines that run on one. */
  inFlight(): { queued: number; running: number } {
    let running = 0
    for (const line of this.#outstanding.values()) if (line.running?.isWaiting === false) running++
    return { queued: this.#outstanding.size - running, running }
  }

  /**
   * Goes on with the batch until it has ended, or `stop` was called.
   * @throws what the database throws; nothing of it runs any more then
   */
  async run(): Promise<void> {
    try {
      if (this.#batch.status === 'validating') await this.#validate()
      if (this.#batch.status === 'in_progress') await this.#work()
      if (this.#isStopping || this.#batch.endedAt !== null) return
      await closeBatch({ ...this.#services, writer: this.#writer }, this.#batch)
      await this.#reload()
    } finally {
      await this.#clear()
      this.#writer.close()
    }
  }

  /** Called every second: what time, the database and the pool have brought. */
  tick(batch: BatchRow, principal: Principal | null, room: Room, yields: boolean): void {
    const nowMs = this.#services.clock.nowMs()
    this.#batch = batch
    this.#room = room
    this.#yields = yields
    this.#forecast = this.#foresee()
    if (this.#forecast.standing === 'late') this.#hurry()
    if (batch.status === 'cancelling') this.#end('batch_cancelled', 'It was cancelled.')
    else if (nowMs >= batch.expiresAt.getTime()) {
      this.#end('batch_expired', `Its window of ${batch.completionWindow} has ended.`)
    } else if (principal === null) this.#end(KEY_ENDED.endCode, KEY_ENDED.reason)
    this.#principal = principal
    this.#wake()
  }

  #hurry(): void {
    for (const { running } of this.#outstanding.values()) running?.hurry()
  }

  /** Takes no further lines; those in flight are left to end, and `run` returns. */
  stop(): void {
    this.#isStopping = true
    this.#wake()
  }

  /** The same at a shutdown. */
  shutDown(): void {
    this.stop()
    const { clock, limits } = this.#services
    // A database that stays away must not keep us for ever; recovery finds what was stored.
    clock.after(limits.shutdownMsMax, () => this.#writer.close())
  }

  async #validate(): Promise<void> {
    const { database, clock, files, limits, gateway } = this.#services
    const { id } = this.#batch
    const at = () => new Date(clock.nowMs())
    if (this.#principal === null) {
      await finalizeBatch(database.sql, id, KEY_ENDED, at())
      return this.#reload()
    }
    const { linesTotal, model, errors } = await validateInput(this.#batch, this.#principal, {
      files,
      limits,
      check: (endpoint, body, principal) => gateway.checkLine(endpoint, body, principal),
      turn: () => clock.sleep(0),
    }).catch((error: unknown) => {
      if (!isGone(error)) throw error
      return { linesTotal: 0, model: null, errors: [INPUT_GONE] }
    })
    if (errors.length > 0) {
      await database.transaction(async (sql) => {
        const failed = await failBatch(sql, id, errors, at())
        if (failed) await this.#services.onEnded(sql, failed)
      })
    } else await beginBatch(database.sql, id, { linesTotal, model, at: at() })
    await this.#reload()
  }

  async #work(): Promise<void> {
    const { database, clock, files, limits } = this.#services
    const { id, inputFileId } = this.#batch
    const ended = await endedLines(database.sql, id)
    const tries = await triesOf(database.sql, id)
    this.#pace.begin(clock.nowMs())
    const lines = files.lines(this.#batch, inputFileId, { lineBytesMax: limits.bodyBytesMax })
    try {
      for await (const line of lines) {
        if (isBlank(line) || ended.has(line.number)) continue
        await this.#until(() => this.#mustEnd || this.#hasRoom)
        if (this.#mustEnd) break
        const input = readLine(line, this.#batch.endpoint)
        const attempt = 1 + (tries.get(line.number) ?? 0)
        this.#submit({ ...input, line: line.number, attempt, running: null, retry: null })
      }
    } catch (error) {
      if (!isGone(error)) throw error
      this.#end('input_file_missing', INPUT_GONE.message)
    }
    await this.#until(() => this.#mustEnd || this.#outstanding.size === 0)
    await this.#clear()
    if (this.#writer.broken) throw this.#writer.broken
    if (this.#isStopping) return
    await finalizeBatch(database.sql, id, this.#ending, new Date(clock.nowMs()))
    await this.#reload()
  }

  #submit(line: Outstanding): void {
    const { gateway, clock, random } = this.#services
    const { id, endpoint, serviceClass, expiresAt } = this.#batch
    const principal = this.#principal
    line.retry = null
    if (this.#mustEnd || principal === null) {
      this.#forget(line)
      return
    }
    if (!this.#outstanding.has(line.line)) this.#heldBytes += line.body.length
    this.#outstanding.set(line.line, line)
    const requestId = newId('req', clock, random)
    try {
      line.running = gateway.runLine({
        ...gateway.checkLine(endpoint, line.body, principal),
        requestId,
        batchId: id,
        principal,
        serviceClass,
        waitMsMax: Math.max(1, expiresAt.getTime() - clock.nowMs()),
        urgent: this.#forecast.standing === 'late',
        ended: (end) => this.#ended(line, requestId, end),
      })
    } catch (thrown) {
      const error = toGristmillError(thrown)
      void this.#ended(line, requestId, { answer: null, error, usage: NOTHING })
    }
  }

  async #ended(line: Outstanding, requestId: string, end: LineEnd): Promise<LineFate> {
    const { clock } = this.#services
    line.running = null
    const { id: batchId, endpoint } = this.#batch
    const place = { batchId, line: line.line, customId: line.customId, endpoint }
    const verdict = verdictOn(place, requestId, line.attempt, end)
    if (verdict.kind === 'again') {
      if (verdict.counts) await this.#countTry(line)
      if (this.#mustEnd) this.#forget(line)
      else line.retry = clock.after(verdict.afterMs, () => this.#submit(line))
      return 'dropped'
    }
    const fate = await this.#writer.add(verdict.end)
    if (fate === 'stored') this.#pace.ended(clock.nowMs())
    this.#forget(line)
    return fate
  }

  /** A line that engines fail with must end, over restarts too. */
  async #countTry(line: Outstanding): Promise<void> {
    const { database, logger } = this.#services
    const tries = line.attempt++
    try {
      await noteTries(database.sql, this.#batch.id, line.line, tries)
    } catch (error) {
      // The count in memory stands; only a restart before the next failure would not know it.
      logger.warn({ ...whyOf(error), batchId: this.#batch.id }, 'a try could not be put down')
    }
  }

  #forget(line: Outstanding): void {
    if (this.#outstanding.delete(line.line)) this.#heldBytes -= line.body.length
    this.#wake()
  }

  /** Waits until nothing is in flight; but at a shutdown, which grants it time, it is cut. */
  async #clear(): Promise<void> {
    this.#isClearing = true
    for (const line of [...this.#outstanding.values()]) {
      if (line.retry !== null) {
        line.retry.cancel()
        this.#forget(line)
      } else if (!this.#isStopping) line.running?.cut()
    }
    await this.#until(() => this.#outstanding.size === 0)
    this.#isClearing = false
  }

  #end(endCode: EndCode, reason: string): void {
    this.#ending ??= { endCode, reason }
  }

  get #mustEnd(): boolean {
    const isBroken = this.#writer.broken !== undefined
    return this.#isStopping || this.#isClearing || this.#ending !== null || isBroken
  }

  /** True while another line may be taken; each batch has a share of the memory for lines. */
  get #hasRoom(): boolean {
    const { limits, runs } = this.#services
    const { size } = this.#outstanding
    const bytesMax = limits.batchBytesInFlightMax / runs()
    return size === 0 || (size < this.#window && this.#heldBytes < bytesMax)
  }

  /** Lines in flight at most: enough that the pool never waits for the next. */
  get #window(): number {
    if (this.#yields) return 1
    const { batchLinesInFlightMax } = this.#services.limits
    return Math.min(batchLinesInFlightMax, 2 * this.#room.slots + SPARE_LINES)
  }

  #foresee(): Forecast {
    const { linesTotal, linesCompleted, linesFailed, createdAt, expiresAt } = this.#batch
    return this.#pace.forecast({
      nowMs: this.#services.clock.nowMs(),
      expiresAtMs: expiresAt.getTime(),
      windowMs: expiresAt.getTime() - createdAt.getTime(),
      remaining: linesTotal - linesCompleted - linesFailed,
      aloneLinesPerS: this.#aloneLinesPerS(),
    })
  }

  /** From the lines so far and what the engines can do at most. */
  #aloneLinesPerS(): number | null {
    const { linesCompleted, inputTokens, cachedTokens, outputTokens } = this.#batch
    const { capacityUnitsPerS, cost } = this.#room
    const units = (inputTokens - cachedTokens) * cost.input + outputTokens * cost.output
    if (capacityUnitsPerS === null || units === 0) return null
    return (capacityUnitsPerS * linesCompleted) / units
  }

  async #reload(): Promise<void> {
    const found = await findBatch(this.#services.database.sql, this.#batch.id)
    if (found) this.#batch = found
    this.#forecast = this.#foresee()
  }

  async #until(holds: () => boolean): Promise<void> {
    while (!holds()) await new Promise<void>((resolve) => this.#waiters.push(resolve))
  }

  #wake(): void {
    const waiters = this.#waiters
    this.#waiters = []
    for (const resolve of waiters) resolve()
  }
}

const NOTHING = { inputTokens: 0, cachedTokens: 0, outputTokens: 0 }

const KEY_ENDED = {
  endCode: 'key_revoked',
  reason: 'The key it was made with, its project or its tenant has ended.',
} as const

const INPUT_GONE: BatchError = {
  code: 'input_file_missing',
  line: null,
  message: 'The input file was deleted.',
  param: 'input_file_id',
}

function isGone(error: unknown): boolean {
  return error instanceof GristmillError && error.code === 'not_found'
}
