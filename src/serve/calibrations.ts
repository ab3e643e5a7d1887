/**
 * Calibrations of engines in the life of a server: begun on demand or because something changed,
 * kept in the database, and applied to what engines tell of themselves.
 */
import { type Clock, GristmillError, type Logger, type Random } from '../base/index.ts'
import {
  type CalibrationRow,
  calibrationOf,
  type Engine,
  type EngineProfile,
  expressBeside,
  insertCalibration,
  measureEngine,
  readCalibrations,
  unitsPerS,
} from '../engine/index.ts'
import type { CalibrationView, EngineProfileView } from '../http/index.ts'
import {
  type CostWeights,
  measuredProfile,
  type Pool,
  PoolCalibrationPlaces,
  utilisationOf,
} from '../pool/index.ts'
import type { Database } from '../store/index.ts'

const POINT_MS = 6000
/** Programs that run on somebody's own machine; behind others there may be one who sends bills. */
const MEASURED_UNASKED = new Set<EngineProfile['kind']>(['vllm', 'sglang', 'tgi', 'llama.cpp'])
const AGAIN_MS = 3_600_000
/** Points of a sweep at most: nine numbers of requests at once and three mixes. */
const POINTS_TYPICAL = 9

interface Options {
  database: Pick<Database, 'sql'>
  clock: Clock
  random: Random
  logger: Logger
  /** Length of one point of the sweep, milliseconds; six seconds where absent. */
  pointMs?: number
}

interface Running {
  points: number
  sinceMs: number
  stop: AbortController
  done: Promise<void>
}

export class Calibrations {
  readonly #options: Options
  readonly #rows = new Map<string, CalibrationRow>()
  readonly #running = new Map<string, Running>()
  readonly #failures = new Map<string, string>()
  readonly #startedAtMs = new Map<string, number>()
  /** Weights of the cost unit, frozen for this run of the server. */
  readonly cost: CostWeights

  private constructor(options: Options, rows: readonly CalibrationRow[], standard: CostWeights) {
    this.#options = options
    for (const row of rows) this.#rows.set(row.engineId, row)
    const newest = rows.toSorted((a, b) => b.measuredAt.getTime() - a.measuredAt.getTime())[0]
    const weights = newest?.result.weights
    this.cost = weights ? { input: weights.input, output: weights.output } : standard
  }

  /** Reads what is stored. @param standard weights where nothing was calibrated yet */
  static async open(options: Options, standard: CostWeights): Promise<Calibrations> {
    return new Calibrations(options, await readCalibrations(options.database.sql), standard)
  }

  /** What an engine tells of itself, with what was measured of it in place of its guesses. */
  applied(engine: Pick<Engine, 'id'>, profile: EngineProfile): EngineProfile {
    const row = this.#rows.get(engine.id)
    if (row === undefined || !isOf(row, profile)) {
      // Capacity in units of the standard weights says nothing under others.
      const isStandard = this.cost.input === 1 && this.cost.output === 2
      return isStandard ? profile : { ...profile, capacityUnitsPerS: null }
    }
    const { result, measuredAt } = row
    const even = result.points.filter(({ mix }) => mix === 'even')
    const capacityUnitsPerS = Math.max(...even.map((point) => unitsPerS(point, this.cost)))
    const measured = { capacityUnitsPerS, tokenGapMs: result.tokenGapMs }
    // An operator's word and an engine's own sweep of its sequences stand.
    if (profile.kind === 'gristmill' || isSetByOperator(profile)) return { ...profile, ...measured }
    const day = measuredAt.toISOString().slice(0, 10)
    const capReason = `Calibrated on ${day}: more at once hardly get more done.`
    const express = expressBeside(result.knee, profile)
    return { ...profile, ...measured, cap: result.knee, express, capReason }
  }

  /** When the capacity that holds was measured here; null where it is the engine's own word. */
  measuredAt(engineId: string, profile: EngineProfile): Date | null {
    const row = this.#rows.get(engineId)
    return row !== undefined && isOf(row, profile) ? row.measuredAt : null
  }

  /**
   * Begins a calibration; `view` tells how it goes.
   * @throws GristmillError `not_found`; `conflict` where one runs or the engine is not up
   */
  start(pool: Pool, engineId: string, cause: string): CalibrationView {
    const place = pool.engines.get(engineId)
    if (place === undefined) throw new GristmillError('not_found', { kind: 'engine', id: engineId })
    const { engine, profile, state } = place
    if (this.#running.has(engineId)) {
      throw new GristmillError('conflict', { reason: `${engine.name} is being calibrated already` })
    }
    const [model] = profile.models
    if (state !== 'up' || model === undefined) {
      throw new GristmillError('conflict', { reason: `${engine.name} is not up: ${place.reason}` })
    }
    const { clock, logger } = this.#options
    if (model.embedsOnly) {
      const reason = `${engine.name} only embeds, and measures itself when it starts`
      throw new GristmillError('conflict', { reason })
    }
    const running: Running = {
      points: 0,
      sinceMs: clock.nowMs(),
      stop: new AbortController(),
      done: Promise.resolve(),
    }
    this.#running.set(engineId, running)
    this.#startedAtMs.set(engineId, clock.nowMs())
    this.#failures.delete(engineId)
    running.done = this.#run(pool, engineId, model.name, cause, running)
      .catch((error: Error) => {
        if (pool.engines.has(engineId)) this.#failures.set(engineId, error.message)
        logger.warn({ engineId, error: error.message }, 'calibration failed')
      })
      .finally(() => this.#running.delete(engineId))
    return this.view(engineId)
  }

  /**
   * Begins what is due: an engine that is new or not what it was when it was calibrated, and all
   * that are up where more is done than was found possible. At most one an hour for each engine.
   */
  check(pool: Pool): void {
    const { clock, logger } = this.#options
    const { voidReason } = utilisationOf(pool, clock)
    for (const [engineId, { profile, state }] of pool.engines) {
      const sinceMs = clock.nowMs() - (this.#startedAtMs.get(engineId) ?? Number.NEGATIVE_INFINITY)
      if (state !== 'up' || this.#running.has(engineId) || sinceMs < AGAIN_MS) continue
      // A service is rented by the token, and says itself what it takes.
      if (profile.service !== undefined || profile.models[0]?.embedsOnly) continue
      const cause = causeFor(this.#rows.get(engineId), profile) ?? voidReason
      if (cause === null) continue
      logger.info({ engineId, cause }, 'calibrating')
      this.start(pool, engineId, cause)
    }
  }

  /** An engine, or all replicas of a name, will not come back. */
  forget(entryId: string): void {
    for (const known of [this.#rows, this.#failures, this.#startedAtMs]) {
      for (const id of known.keys()) {
        if (id === entryId || id.startsWith(`${entryId}-`)) known.delete(id)
      }
    }
  }

  view(engineId: string): CalibrationView {
    const running = this.#running.get(engineId)
    const row = this.#rows.get(engineId)
    return {
      engineId,
      state: running ? 'running' : this.#failures.has(engineId) ? 'failed' : row ? 'done' : 'none',
      failure: this.#failures.get(engineId) ?? null,
      progress: running ? Math.min(0.99, running.points / POINTS_TYPICAL) : 1,
      last: row
        ? {
            model: row.model,
            measuredAt: row.measuredAt.toISOString(),
            cause: row.cause,
            capacityUnitsPerS: row.result.capacityUnitsPerS,
            knee: row.result.knee,
            kneeUnitsPerS: row.result.kneeUnitsPerS,
            tokenGapMs: row.result.tokenGapMs,
            readTokensPerS: row.result.readTokensPerS,
            writeTokensPerS: row.result.writeTokensPerS,
            weights: row.result.weights,
            points: row.result.points
              .filter(({ mix }) => mix === 'even')
              .map((point) => ({
                concurrency: point.concurrency,
                unitsPerS: unitsPerS(point, row.result.weights),
                tokenGapP95Ms: point.tokenGapP95Ms,
              })),
          }
        : null,
    }
  }

  /**
   * The engine as simulations see it.
   * @throws GristmillError `conflict` where it was never calibrated
   */
  profile(pool: Pool, engineId: string): EngineProfileView {
    const row = this.#rows.get(engineId)
    const place = pool.engines.get(engineId)
    if (row === undefined || place === undefined) {
      throw new GristmillError('conflict', { reason: `engine ${engineId} was never calibrated` })
    }
    const { engine, profile } = place
    return measuredProfile(engine.name, row.measuredAt.toISOString(), row.result, profile)
  }

  /** Has what other gateways have measured since hold here as well. @throws as the database */
  async refresh(pool: Pool): Promise<void> {
    const rows = await readCalibrations(this.#options.database.sql)
    for (const [engineId, row] of new Map(rows.map((one) => [one.engineId, one]))) {
      const isKnown = this.#rows.get(engineId)?.measuredAt.getTime() === row.measuredAt.getTime()
      if (isKnown || !pool.engines.has(engineId)) continue
      this.#rows.set(engineId, row)
      this.#apply(pool, engineId)
    }
  }

  /** Ends all that runs. @param why in a few words */
  stop(why: string): void {
    for (const { stop } of this.#running.values()) stop.abort(new Error(why))
  }

  async close(): Promise<void> {
    this.stop('the server stops')
    await Promise.all([...this.#running.values()].map(({ done }) => done))
  }

  #apply(pool: Pool, engineId: string): void {
    const place = pool.engines.get(engineId)
    if (place === undefined) return
    const { engine, profile, state, reason } = place
    pool.setEngine(engine, this.applied(engine, profile), state, reason)
  }

  async #run(
    pool: Pool,
    engineId: string,
    model: string,
    cause: string,
    running: Running,
  ): Promise<void> {
    const { clock, random, logger, database } = this.#options
    const places = new PoolCalibrationPlaces(pool, engineId, { clock, random })
    const { engine, profile } = pool.engines.get(engineId) ?? {}
    if (engine === undefined || profile === undefined) return
    const onPoint = () => {
      running.points++
    }
    const how = {
      clock,
      random,
      pointMs: this.#options.pointMs ?? POINT_MS,
      signal: running.stop.signal,
      onPoint,
    }
    let points: Awaited<ReturnType<typeof measureEngine>>
    try {
      points = await measureEngine({ engine, profile, model, places, ...how })
    } finally {
      places.end()
    }
    const result = calibrationOf(points)
    const measuredAt = new Date(clock.nowMs())
    const row = { engineId, model, ...subjectOf(engine, profile), cause, result, measuredAt }
    await insertCalibration(database.sql, row)
    this.#rows.set(engineId, row)
    const { capacityUnitsPerS, knee, weights } = result
    logger.info({ engineId, capacityUnitsPerS, knee, weights }, 'calibrated')
    this.#apply(pool, engineId)
  }
}

function subjectOf(engine: Engine, profile: EngineProfile) {
  const { kind, version, models, express, capMost } = profile
  const settings = { models: models.map(({ name }) => name), express, capMost, ...ownCap(profile) }
  return { machine: { kind, version, url: engine.url }, settings }
}

/** Other engines are given the cap that was found; ours was measured with the one that it has. */
const ownCap = ({ kind, cap }: EngineProfile) => (kind === 'gristmill' ? { cap } : {})

/** True where a calibration was made of what the engine is now. */
function isOf({ machine, settings }: CalibrationRow, profile: EngineProfile): boolean {
  const models = profile.models.map(({ name }) => name)
  return (
    machine.kind === profile.kind &&
    machine.version === profile.version &&
    JSON.stringify(settings.models) === JSON.stringify(models) &&
    // Rows of before it was kept have none.
    (settings.cap === undefined || settings.cap === ownCap(profile).cap)
  )
}

/** Why an engine is to be measured by what it is; null where it need not be. */
function causeFor(row: CalibrationRow | undefined, profile: EngineProfile): string | null {
  if (row !== undefined) {
    return isOf(row, profile) ? null : 'The engine, its version, its cap or its models changed.'
  }
  // Ours measures itself.
  const isMeasurable = MEASURED_UNASKED.has(profile.kind)
  return isMeasurable ? 'The engine was never calibrated.' : null
}

const isSetByOperator = ({ capReason }: EngineProfile) => capReason === 'Set by an operator.'
