/**
 * One batch on its way to its end: looked through, run line by line, and closed with whatever has
 * an answer. Every step can be begun again after a crash; what a step has done is in the database
 * and nowhere else.
 */
import { newId, toGristmillError } from '../base/index.ts'
import type { LineEnd } from '../gateway/index.ts'
import type { Principal } from '../tenancy/index.ts'
import { beginChecked, INPUT_GONE, isGone, KEY_ENDED } from './batch-begin.ts'
import { closeBatch } from './batch-close.ts'
import { type Lane, Lanes } from './batch-lane.ts'
import type { Forecast } from './batch-pace.ts'
import { finalizeBatch, findBatch, noteReason } from './batch-store.ts'
import type { BatchRow, EndCode } from './batch-types.ts'
import { BatchWaits } from './batch-waits.ts'
import { SharedPieces } from './file-chunks.ts'
import type { FileLine } from './file-types.ts'
import { customIdOf, errorLine, type InputLine, isBlank, readLine } from './line-format.ts'
import { endedLines, noteTries, storeEnds, triesOf } from './line-store.ts'
import { verdictOn } from './line-verdict.ts'
import { type LineFate, LineWriter, whyOf } from './line-writer.ts'
import { type Outstanding, OutstandingLines, outstanding } from './outstanding-lines.ts'
import type { RunServices } from './run-services.ts'

export class BatchRun {
  readonly #services: RunServices
  readonly #writer: LineWriter
  readonly #waits = new BatchWaits()
  readonly #outstanding = new OutstandingLines()
  #batch: BatchRow
  #principal: Principal | null
  #lanes: Lanes
  #forecast: Forecast
  #yields = false
  #isStopping = false
  #isClearing = false
  /** Why it does not go on though lines are left. */
  #ending: { endCode: EndCode; reason: string } | null = null
  /** What the database threw while lines were read. */
  #failure: unknown
  #noting: Promise<void> | undefined

  /** @param principal null where the key it was made with has ended */
  constructor(services: RunServices, batch: BatchRow, principal: Principal | null) {
    const { clock, logger, database, files } = services
    this.#services = services
    this.#batch = batch
    this.#principal = principal
    this.#lanes = Lanes.one(batch)
    this.#forecast = this.#foresee()
    const fence = services.fence()
    this.#writer = new LineWriter({
      clock,
      logger,
      batchId: batch.id,
      store: (ends) => storeEnds(database, files, batch, ends, fence),
      onBroken: () => this.#outstanding.changed(),
    })
  }

  get batch(): BatchRow {
    return this.#batch
  }

  get forecast(): Forecast {
    return this.#forecast
  }

  /** True where none of its lines gets anywhere. */
  get isStuck(): boolean {
    return this.#lanes.isStuck
  }

  /** Lines that wait for an engine, and lines that run on one. */
  inFlight(): { queued: number; running: number } {
    return this.#outstanding.inFlight()
  }

  /**
   * Goes on with the batch until it has ended, or `stop` was called.
   * @throws what the database throws; nothing of it runs any more then
   */
  async run(): Promise<void> {
    try {
      if (this.#batch.status === 'validating') await this.#begin()
      if (this.#batch.status === 'in_progress') await this.#work()
      if (this.#isStopping || this.#batch.endedAt !== null) return
      await closeBatch({ ...this.#services, writer: this.#writer }, this.#batch)
      await this.#reload()
    } finally {
      await this.#clear()
      this.#writer.close()
      await this.#noting
    }
  }

  /** Called every second: what time, the database and the pool have brought. */
  tick(batch: BatchRow, principal: Principal | null, yields: boolean): void {
    const nowMs = this.#services.clock.nowMs()
    const reason = this.#waits.reason(this.#outstanding.values(), nowMs)
    this.#batch = batch
    this.#yields = yields
    this.#lanes.moving(this.#outstanding.values())
    this.#forecast = this.#foresee()
    for (const { lane, running } of this.#outstanding.values()) if (lane.isLate) running?.hurry()
    if (batch.status === 'cancelling') this.#end('batch_cancelled', 'It was cancelled.')
    else if (nowMs >= batch.expiresAt.getTime()) {
      const waited = reason === null ? '.' : ` while lines waited: ${reason}`
      this.#end('batch_expired', `Its window of ${batch.completionWindow} has ended${waited}`)
    } else if (principal === null) this.#end(KEY_ENDED.endCode, KEY_ENDED.reason)
    else if (batch.status === 'in_progress' && reason !== batch.reason) this.#note(reason)
    this.#principal = principal
    this.#outstanding.changed()
  }

  /** Tells whoever reads the batch what its lines wait for. */
  #note(reason: string | null): void {
    const { database, logger } = this.#services
    const batchId = this.#batch.id
    this.#noting ??= noteReason(database.sql, batchId, reason)
      .catch((error: unknown) =>
        logger.warn({ ...whyOf(error), batchId }, 'what a batch waits for could not be put down'),
      )
      .finally(() => {
        this.#noting = undefined
      })
  }

  /** Takes no further lines; those in flight are left to end, and `run` returns. */
  stop(): void {
    this.#isStopping = true
    this.#outstanding.changed()
  }

  /** The same, and what is in flight is cut. */
  rest(): void {
    this.stop()
    for (const line of this.#outstanding.values()) line.running?.cut()
  }

  /** The same at a shutdown. */
  shutDown(): void {
    this.stop()
    const { clock, limits } = this.#services
    // A database that stays away must not keep us for ever; recovery finds what was stored.
    clock.after(limits.shutdownMsMax, () => this.#writer.close())
  }

  async #begin(): Promise<void> {
    await beginChecked(this.#services, this.#batch, this.#principal)
    await this.#reload()
  }

  async #work(): Promise<void> {
    const { database, clock } = this.#services
    // As it was read just now: a row that was read before may still come with a tick.
    const batch = this.#batch
    const ended = await endedLines(database.sql, batch.id)
    const tries = await triesOf(database.sql, batch.id)
    try {
      this.#lanes = await this.#planned(batch, ended)
      this.#forecast = this.#foresee()
      const { all } = this.#lanes
      const pieces = all.length > 1 ? new SharedPieces() : undefined
      await Promise.all(all.map((lane) => this.#feed(lane, this.#lines(pieces), ended, tries)))
    } catch (error) {
      this.#gaveOut(error)
    }
    await this.#outstanding.until(() => this.#mustEnd || this.#outstanding.size === 0)
    await this.#clear()
    if (this.#failure !== undefined) throw this.#failure
    if (this.#writer.broken) throw this.#writer.broken
    if (this.#isStopping) return
    await finalizeBatch(database.sql, this.#batch.id, this.#ending, new Date(clock.nowMs()))
    await this.#reload()
  }

  async #planned(batch: BatchRow, ended: ReadonlySet<number>): Promise<Lanes> {
    const { clock } = this.#services
    const isOne = batch.model !== null
    const lanes = isOne
      ? Lanes.one(batch, ended)
      : await Lanes.byModel(batch, ended, this.#lines(), {
          turn: () => clock.sleep(0),
          mustEnd: () => this.#mustEnd,
        })
    for (const { pace } of lanes.all) pace.begin(clock.nowMs())
    return lanes
  }

  /** @param pieces those of lanes that go through it side by side */
  #lines(pieces?: SharedPieces): AsyncGenerator<FileLine> {
    return this.#services.files.checkedLines(this.#batch, this.#batch.inputFileId, pieces)
  }

  /** Submits the lines of a lane as there is room for them. */
  async #feed(
    lane: Lane,
    lines: AsyncIterable<FileLine>,
    ended: ReadonlySet<number>,
    tries: ReadonlyMap<number, number>,
  ): Promise<void> {
    let place = 0
    try {
      for await (const line of lines) {
        if (this.#mustEnd) break
        if (isBlank(line) || this.#lanes.at(place++) !== lane || ended.has(line.number)) continue
        await this.#outstanding.until(() => this.#mustEnd || this.#hasRoom(lane))
        if (this.#mustEnd) break
        const attempt = 1 + (tries.get(line.number) ?? 0)
        const input = await this.#read(lane, line)
        if (input === undefined) continue
        this.#submit(outstanding({ ...input, line: line.number, lane, attempt }))
      }
    } catch (error) {
      this.#gaveOut(error)
    }
  }

  #gaveOut(error: unknown): void {
    if (isGone(error)) this.#end('input_file_missing', INPUT_GONE.message)
    else this.#failure ??= error
    this.#outstanding.changed()
  }

  /**
   * What a line asks for; one that was looked through and is no request any more, since limits or
   * the program have changed, ends with the reason.
   */
  async #read(lane: Lane, line: FileLine): Promise<InputLine | undefined> {
    const { limits } = this.#services
    try {
      return readLine(line, this.#batch.endpoint, limits)
    } catch (thrown) {
      const { code, message } = toGristmillError(thrown)
      const place = { batchId: this.#batch.id, line: line.number, customId: customIdOf(line) }
      const text = errorLine(place, { code, message })
      const end = { line: line.number, outcome: 'failed', requestId: null, ...NOTHING } as const
      this.#noteFate(lane, await this.#writer.add({ ...end, text }))
      return undefined
    }
  }

  #submit(line: Outstanding): void {
    const { gateway, clock, random } = this.#services
    const { id, endpoint, serviceClass, expiresAt } = this.#batch
    const principal = this.#principal
    this.#outstanding.setAside(line, false)
    line.askedAtMs = clock.nowMs()
    if (this.#mustEnd || principal === null) {
      this.#outstanding.forget(line)
      return
    }
    this.#outstanding.hold(line)
    const requestId = newId('req', clock, random)
    try {
      line.running = gateway.runLine({
        ...gateway.checkLine(endpoint, line.body, principal),
        requestId,
        batchId: id,
        principal,
        serviceClass,
        waitMsMax: Math.max(1, expiresAt.getTime() - clock.nowMs()),
        urgent: line.lane.isLate,
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
    const verdict = verdictOn(place, requestId, line.attempt, end, this.#isModelGone(line, end))
    if (verdict.kind === 'again') {
      // What is cut as it ends here is no failure.
      if (verdict.counts && !this.#mustEnd) await this.#countTry(line)
      line.told = verdict.counts ? null : end.error
      if (this.#mustEnd) this.#outstanding.forget(line)
      else {
        line.retry = clock.after(verdict.afterMs, () => void this.#again(line))
        this.#outstanding.setAside(line, verdict.isAside)
      }
      return 'dropped'
    }
    const fate = await this.#writer.add(verdict.end)
    this.#noteFate(line.lane, fate)
    this.#outstanding.forget(line)
    return fate
  }

  /** What lines stand aside for may be there. */
  askAgain(): void {
    for (const line of this.#outstanding.values()) {
      if (!line.isAside || line.retry === null) continue
      line.retry.cancel()
      void this.#again(line)
    }
  }

  /** Its next try; one that stood aside comes back when there is a place for it. */
  async #again(line: Outstanding): Promise<void> {
    line.retry = null
    // Looked at and taken in one go, or many would take the same place.
    while (line.isAside && !line.lane.hasPlace && !this.#mustEnd) await this.#outstanding.change()
    this.#submit(line)
  }

  /** True where no engine has had the model of a line for so long that it will not come back. */
  #isModelGone({ model }: Outstanding, { error }: LineEnd): boolean {
    const { clock, limits } = this.#services
    if (error?.code === 'model_not_found') {
      return this.#waits.missingMs(model, clock.nowMs()) >= limits.batchModelWaitMsMax
    }
    this.#waits.isThere(model)
    return false
  }

  #noteFate(lane: Lane, fate: LineFate): void {
    if (fate !== 'unknown') lane.remaining--
    if (fate === 'stored') lane.pace.ended(this.#services.clock.nowMs())
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

  /** Waits until nothing is in flight; but at a shutdown, which grants it time, it is cut. */
  async #clear(): Promise<void> {
    this.#isClearing = true
    for (const line of [...this.#outstanding.values()]) {
      if (line.retry !== null) {
        line.retry.cancel()
        this.#outstanding.forget(line)
      } else if (!this.#isStopping) line.running?.cut()
    }
    this.#outstanding.changed()
    await this.#outstanding.until(() => this.#outstanding.size === 0)
    this.#isClearing = false
  }

  #end(endCode: EndCode, reason: string): void {
    this.#ending ??= { endCode, reason }
  }

  get #mustEnd(): boolean {
    const isBroken = this.#writer.broken !== undefined || this.#failure !== undefined
    return this.#isStopping || this.#isClearing || this.#ending !== null || isBroken
  }

  /** True while a lane may take another line; each batch has a share of the memory for lines. */
  #hasRoom(lane: Lane): boolean {
    const { limits, runs } = this.#services
    const linesMax = this.#yields ? 1 : limits.batchLinesInFlightMax
    return this.#lanes.hasRoom(lane, linesMax, limits.batchBytesInFlightMax / runs())
  }

  #foresee(): Forecast {
    const { clock, roomFor } = this.#services
    return this.#lanes.foresee(this.#batch, clock.nowMs(), roomFor)
  }

  async #reload(): Promise<void> {
    const found = await findBatch(this.#services.database.sql, this.#batch.id)
    if (found) this.#batch = found
    this.#forecast = this.#foresee()
  }
}

const NOTHING = { inputTokens: 0, cachedTokens: 0, outputTokens: 0 }
