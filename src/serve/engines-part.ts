/** The engines of this gateway, joined with its pool, their calibrations and other gateways. */
import {
  type Clock,
  type Config,
  type Limits,
  type Logger,
  Rounds,
  systemRandom,
} from '../base/index.ts'
import { EngineRegistry } from '../engine/index.ts'
import type { Home } from '../host/index.ts'
import type { Pool } from '../pool/index.ts'
import type { Calibrations } from './calibrations.ts'
import { isRecorder } from './cluster-part.ts'
import type { DatabasePart } from './database-part.ts'

/** How often it is looked whether an engine must be calibrated anew. */
const CALIBRATION_CHECK_MS = 60_000
/** In case a notification was missed. */
const REFRESH_MS = 10_000

export interface EnginesPartOptions {
  config: Config
  home: Home
  part: DatabasePart
  pool: Pool
  calibrations: Calibrations
  clock: Clock
  logger: Logger
  stack: AsyncDisposableStack
}

/** Resolves once all engines have answered or failed, and other gateways have been joined. */
export async function openEngines(options: EnginesPartOptions): Promise<EngineRegistry> {
  const { config, home, part, pool, calibrations, clock, logger, stack } = options
  const { database, member } = part
  const limits: Limits = config.limits
  const base = { database, clock, random: systemRandom, logger, limits }
  const engines = new EngineRegistry({ ...base, ...secretKeys(config, home) })
  stack.defer(() => engines.close())
  keepCalibrated(options)
  engines.listen({
    changed: (engine, profile, state, reason) =>
      pool.setEngine(engine, calibrations.applied(engine, profile), state, reason),
    removed: (id) => pool.removeEngine(id),
    forgotten: (id) => calibrations.forget(id),
    loaded: (id, load) => pool.noteLoad(id, load),
    rated: (id, news) => {
      if (member === undefined) pool.quotas.heard(id, news)
      else member.pool.tell(['rated', id, news])
    },
  })
  await engines.start()
  await joinOthers(options, engines)
  return engines
}

/** Calibrates what is due, where this gateway schedules. */
function keepCalibrated(options: EnginesPartOptions): void {
  const { part, pool, calibrations, clock, logger, stack } = options
  const { member } = part
  stack.defer(() => calibrations.close())
  const look = async (isCheck: boolean) => {
    try {
      if (member !== undefined) await calibrations.refresh(pool)
      if (isCheck && isRecorder(member)) calibrations.check(pool)
    } catch (error) {
      logger.warn({ err: error }, 'calibrations of other gateways could not be read')
    }
  }
  const checking = clock.every(CALIBRATION_CHECK_MS, () => {
    if (isRecorder(member)) void look(true)
  })
  stack.defer(() => checking.cancel())
  if (member === undefined) return
  stack.defer(member.onHolding(() => void look(false)))
  stack.defer(member.onLost(() => calibrations.stop('another gateway schedules')))
}

/** Joins the other gateways once the engines are known, and follows what they change there. */
async function joinOthers(
  { part, pool, clock, logger, stack }: EnginesPartOptions,
  engines: EngineRegistry,
): Promise<void> {
  const { database, member } = part
  if (member === undefined) return
  const rounds = new Rounds(clock, REFRESH_MS, async () => {
    await engines
      .start()
      .catch((error: unknown) => logger.warn({ err: error }, 'the engines could not be read'))
  })
  stack.defer(await database.listen('engines', () => rounds.wake()))
  stack.defer(() => member.close())
  await member.start({ pool, engineOf: (id) => pool.engines.get(id)?.engine })
  rounds.start()
  stack.defer(() => rounds.stop())
}

/** The master key of engines' keys, and those that may have sealed some of them. */
function secretKeys(config: Config, home: Home) {
  const name = 'engine-keys'
  const ours = home.secret(name)
  const earlier = [config.secretKeyBefore, home.pendingSecret(name), ours]
  return {
    secretKey: config.secretKey ?? ours,
    earlierSecretKeys: earlier.filter((key) => key !== undefined),
    renewSecretKey: config.secretKey === undefined ? () => home.renewSecret(name) : undefined,
  }
}
