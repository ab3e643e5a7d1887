/** Engines as people see and change them: the registry and the pool joined into views. */
import { type Clock, GristmillError } from '../base/index.ts'
import {
  type EngineProfile,
  type EngineRegistry,
  hasSharedCache,
  summaryOf,
} from '../engine/index.ts'
import type { EngineFoundView, EngineService, EngineView, ModelView } from '../http/index.ts'
import { lastChangeOf, type Pool, type PoolEngine } from '../pool/index.ts'
import type { Queries } from '../store/index.ts'
import type { Calibrations } from './calibrations.ts'
import { engineHistory } from './engine-history.ts'

const HOUR_MS = 3_600_000

export interface EngineServiceOptions {
  registry: EngineRegistry
  pool: Pool
  calibrations: Calibrations
  sql: Queries
  clock: Clock
  /** How often an engine of our own was started again. */
  restartsOf: (engineId: string) => number
}

export function engineService(options: EngineServiceOptions): EngineService {
  const { registry, pool, calibrations } = options
  const viewOf = (id: string) => {
    const entry = pool.engines.get(id)
    if (entry === undefined) throw new GristmillError('not_found', { kind: 'engine', id })
    return engineView(entry, options)
  }
  return {
    list: () => [...pool.engines.values()].map((entry) => engineView(entry, options)),
    add: async (input) => viewOf(await registry.add(input)),
    detect: async (input) => foundView(await registry.detect(input)),
    remove: (id) => registry.remove(id),
    drain: async (id) => viewOf(await registry.drain(id)),
    resume: async (id) => viewOf(await registry.drain(id, false)),
    calibrate: (id) => calibrations.start(pool, id, 'Somebody asked for it.'),
    calibration: (id) => calibrations.view(viewOf(id).id),
    profile: (id) => {
      viewOf(id)
      return calibrations.profile(pool, id)
    },
    history: async (id) => engineHistory(options.sql, options.clock, viewOf(id).id),
    models: () => modelsOf(pool),
    ...keyService(registry),
  }
}

function foundView(profile: EngineProfile): EngineFoundView {
  const { kind, service = null, version, models, cap, capReason, advice } = profile
  const { takesPriority, tellsLoad } = profile
  const found = { kind, service, version, cap, capReason, advice, takesPriority, tellsLoad }
  return {
    ...found,
    summary: summaryOf(profile),
    sharedCache: hasSharedCache(profile),
    models: models.map(modelView),
  }
}

function keyService(
  registry: EngineRegistry,
): Pick<EngineService, 'keys' | 'setKey' | 'removeKey' | 'rotateSecretKey'> {
  const keys = (id: string) =>
    registry.keys(id).map((key) => ({ ...key, createdAt: key.createdAt.toISOString() }))
  return {
    keys,
    setKey: async (id, apiKey, how) => {
      await registry.setKey(id, apiKey, how)
      return keys(id)
    },
    rotateSecretKey: () => registry.rotateSecretKey(),
    removeKey: (keyId) => registry.removeKey(keyId),
  }
}

function engineView(entry: PoolEngine, options: EngineServiceOptions): EngineView {
  const { registry, pool, calibrations, restartsOf } = options
  const { engine, profile, state, reason, sinceMs, control } = entry
  const running = [...pool.running.values()].filter((ticket) => ticket.engineId === engine.id)
  return {
    id: engine.id,
    name: engine.name,
    url: engine.url,
    kind: profile.kind,
    service: profile.service ?? null,
    version: profile.version,
    summary: summaryOf(profile),
    embedded: registry.isEmbedded(engine.id),
    replicaOf: registry.entryOf(engine.id),
    state,
    stateReason: pool.health.of(engine.id).reason || reason,
    sinceAt: new Date(sinceMs).toISOString(),
    models: profile.models.map(modelView),
    cap: control.cap.cap,
    express: profile.express,
    inFlight: running.length,
    capacityUnitsPerS: profile.capacityUnitsPerS,
    calibratedAt: calibrations.measuredAt(engine.id, profile)?.toISOString() ?? null,
    capReason: control.cap.reason,
    quotaPlaces: pool.quotas.placesOf(engine.id),
    reserve: control.reserve.reserve,
    reserveReason: control.reserve.reason,
    lastChange: lastChangeOf(control),
    takesPriority: profile.takesPriority,
    takesCacheSalt: profile.takesCacheSalt,
    promptSlots: profile.promptSlots ?? null,
    sharedCache: hasSharedCache(profile),
    tellsLoad: profile.tellsLoad,
    advice: profile.advice,
    errorsLastHour: registry.errorsSince(engine.id, HOUR_MS),
    restarts: restartsOf(engine.id),
  }
}

const modelView = ({ embedsOnly = false, ...model }: EngineProfile['models'][number]) => ({
  ...model,
  embedsOnly,
})

/** Every model that an engine serves, with the engines that serve it. */
export function modelsOf(pool: Pool): ModelView[] {
  const models = new Map<string, ModelView>()
  for (const { engine, profile } of pool.engines.values()) {
    for (const model of profile.models) {
      const { name } = model
      const known = models.get(name)
      if (known) known.engines.push(engine.id)
      else models.set(name, { ...modelView(model), engines: [engine.id] })
    }
  }
  return [...models.values()]
}
