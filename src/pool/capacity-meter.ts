/**
 * Per engine and minute: seconds registered, up and idle, who received what, and whose the engine's
 * time was. Feeds the ledger.
 *
 * Each sequence has a cap-th of the engine while it runs, or less where more than the cap do. What
 * a place was since the minute began is one running sum for the engine, so that a tenant's time is
 * the difference of two of its values, and nothing is to be done for others when one comes or goes.
 */
import type { Band } from '../base/index.ts'
import type { AttemptFailure, CapacityMinute, EngineHealthState } from '../meter/index.ts'

type TenantMinute = CapacityMinute['tenants'][number]

interface TenantNow extends TenantMinute {
  inFlight: number
  /** What the places had when they were taken, to be taken off what they have had in the end. */
  takenMs: number
}

interface EngineMinute {
  sinceMs: number
  health: EngineHealthState
  /** It has never answered yet. */
  isLoading: boolean
  inFlight: number
  cap: number
  capacityUnitsPerS: number | null
  registeredMs: number
  upMs: number
  idleMs: number
  degradedMs: number
  drainingMs: number
  /** Engine time that one place has had. */
  placeMs: number
  /** Engine time that was nobody's: places free while up and while draining, loading, down. */
  freeMs: number
  drainedMs: number
  loadingMs: number
  downMs: number
  attempts: number
  failures: CapacityMinute['failures']
  slotMs: number
  capSlotMs: number
  tenants: Map<string, TenantNow>
  /** The one of them that was looked for last: what happens to a request is noted in turns. */
  last: TenantNow | undefined
}

type EngineNow = Pick<
  EngineMinute,
  'health' | 'isLoading' | 'inFlight' | 'cap' | 'capacityUnitsPerS'
>

export class CapacityMeter {
  readonly #engines = new Map<string, EngineMinute>()
  #minuteAtMs: number

  /** @param nowMs wall-clock time, as for every method here */
  constructor(nowMs: number) {
    this.#minuteAtMs = minuteOf(nowMs)
  }

  /** Notes an engine's state from now on; the time before counts under its old state. */
  set(engineId: string, nowMs: number, state: EngineNow): void {
    const minute = this.#engines.get(engineId)
    if (minute === undefined) this.#engines.set(engineId, fresh(nowMs, state))
    else {
      integrate(minute, nowMs)
      Object.assign(minute, state)
    }
  }

  /** One more sequence of the engine is in use. */
  took(engineId: string, tenantId: string, nowMs: number): void {
    const minute = this.#engines.get(engineId)
    if (minute === undefined) return
    integrate(minute, nowMs)
    minute.inFlight++
    const tenant = tenantIn(minute, tenantId)
    tenant.inFlight++
    tenant.takenMs += minute.placeMs
  }

  /** A request has left the engine. @param failure how it was failed there, if it was */
  left(
    engineId: string,
    tenantId: string,
    nowMs: number,
    failure: AttemptFailure | undefined,
  ): void {
    const minute = this.#engines.get(engineId)
    const last = minute?.last
    const tenant = last?.tenantId === tenantId ? last : minute?.tenants.get(tenantId)
    // What it took was noted of an engine that was removed since.
    if (minute === undefined || tenant === undefined || tenant.inFlight === 0) return
    integrate(minute, nowMs)
    minute.inFlight--
    minute.attempts++
    tenant.inFlight--
    tenant.takenMs -= minute.placeMs
    if (failure !== undefined) minute.failures[failure] = (minute.failures[failure] ?? 0) + 1
  }

  served(engineId: string, tenantId: string, band: Band, units: number): void {
    const tenant = this.#tenant(engineId, tenantId)
    if (tenant === undefined) return
    if (band === 'interactive') tenant.interactiveUnits += units
    else tenant.backgroundUnits += units
  }

  entitled(engineId: string, tenantId: string, units: number): void {
    const tenant = this.#tenant(engineId, tenantId)
    if (tenant) tenant.entitledUnits += units
  }

  wasted(engineId: string, tenantId: string, cause: string, units: number): void {
    const tenant = this.#tenant(engineId, tenantId)
    if (tenant) tenant.waste[cause] = (tenant.waste[cause] ?? 0) + units
  }

  /** Rows of the minutes that have ended, and of the engines that are removed. */
  take(nowMs: number, removed: readonly string[] = []): CapacityMinute[] {
    const minute = minuteOf(nowMs)
    // By a clock that was set back another one has begun as well, and it is not known when.
    const isOver = minute !== this.#minuteAtMs
    const endMs = minute > this.#minuteAtMs ? minute : nowMs
    const rows: CapacityMinute[] = []
    for (const [engineId, engine] of this.#engines) {
      const isRemoved = removed.includes(engineId)
      if (!isOver && !isRemoved) continue
      integrate(engine, isRemoved ? nowMs : endMs)
      rows.push(rowOf(engineId, this.#minuteAtMs, engine))
      if (isRemoved) this.#engines.delete(engineId)
      else this.#engines.set(engineId, next(engine, endMs))
    }
    if (isOver) this.#minuteAtMs = minute
    return rows
  }

  /** Rows of the minute in progress; for the shutdown. */
  close(nowMs: number): CapacityMinute[] {
    return this.take(nowMs, [...this.#engines.keys()])
  }

  #tenant(engineId: string, tenantId: string): TenantNow | undefined {
    const engine = this.#engines.get(engineId)
    return engine && tenantIn(engine, tenantId)
  }
}

function tenantIn(minute: EngineMinute, tenantId: string): TenantNow {
  if (minute.last?.tenantId === tenantId) return minute.last
  let tenant = minute.tenants.get(tenantId)
  if (tenant === undefined) {
    const units = { interactiveUnits: 0, backgroundUnits: 0, entitledUnits: 0, waste: {} }
    tenant = { tenantId, engineS: 0, ...units, inFlight: 0, takenMs: 0 }
    minute.tenants.set(tenantId, tenant)
  }
  minute.last = tenant
  return tenant
}

const minuteOf = (nowMs: number) => Math.floor(nowMs / 60_000) * 60_000

function fresh(nowMs: number, state: EngineNow): EngineMinute {
  const { health, isLoading, inFlight, cap, capacityUnitsPerS } = state
  return {
    sinceMs: nowMs,
    health,
    isLoading,
    inFlight,
    cap,
    capacityUnitsPerS,
    registeredMs: 0,
    upMs: 0,
    idleMs: 0,
    degradedMs: 0,
    drainingMs: 0,
    placeMs: 0,
    freeMs: 0,
    drainedMs: 0,
    loadingMs: 0,
    downMs: 0,
    attempts: 0,
    failures: {},
    slotMs: 0,
    capSlotMs: 0,
    tenants: new Map(),
    last: undefined,
  }
}

/**
 * The minute that follows: what runs goes on. A prompt is booked as it was estimated, and what of
 * it need not be read is taken off once the engine tells it, which may be more than a minute has.
 */
function next(engine: EngineMinute, nowMs: number): EngineMinute {
  const following = fresh(nowMs, engine)
  for (const { tenantId, inFlight, interactiveUnits, backgroundUnits } of engine.tenants.values()) {
    if (inFlight === 0 && interactiveUnits >= 0 && backgroundUnits >= 0) continue
    const tenant = tenantIn(following, tenantId)
    tenant.inFlight = inFlight
    tenant.interactiveUnits = Math.min(0, interactiveUnits)
    tenant.backgroundUnits = Math.min(0, backgroundUnits)
  }
  return following
}

function integrate(engine: EngineMinute, nowMs: number): void {
  const ms = Math.max(0, nowMs - engine.sinceMs)
  engine.sinceMs = nowMs
  engine.registeredMs += ms
  const { health } = engine
  const isUp = health === 'up' || health === 'degraded'
  if (isUp) engine.upMs += ms
  if (isUp && engine.inFlight === 0) engine.idleMs += ms
  if (health === 'degraded') engine.degradedMs += ms
  if (health === 'draining') engine.drainingMs += ms
  engine.slotMs += ms * engine.inFlight
  engine.capSlotMs += ms * engine.cap
  shareTime(engine, ms)
}

/** Each millisecond is of those who run, of free places, or of an engine that cannot work. */
function shareTime(engine: EngineMinute, ms: number): void {
  const { health, inFlight, cap } = engine
  if (health === 'down') {
    if (engine.isLoading) engine.loadingMs += ms
    else engine.downMs += ms
    return
  }
  const places = Math.max(inFlight, cap, 1)
  engine.placeMs += ms / places
  const free = (ms * (places - inFlight)) / places
  if (health === 'draining') engine.drainedMs += free
  else engine.freeMs += free
}

function rowOf(engineId: string, minuteAtMs: number, engine: EngineMinute): CapacityMinute {
  return {
    engineId,
    minuteAtMs,
    registeredS: engine.registeredMs / 1000,
    upS: engine.upMs / 1000,
    idleS: engine.idleMs / 1000,
    degradedS: engine.degradedMs / 1000,
    drainingS: engine.drainingMs / 1000,
    freeS: engine.freeMs / 1000,
    drainedS: engine.drainedMs / 1000,
    loadingS: engine.loadingMs / 1000,
    downS: engine.downMs / 1000,
    attempts: engine.attempts,
    failures: engine.failures,
    capacityUnitsPerS: engine.capacityUnitsPerS,
    slotS: engine.slotMs / 1000,
    capSlotS: engine.capSlotMs / 1000,
    tenants: [...engine.tenants.values()].map(({ inFlight, takenMs, ...tenant }) => ({
      ...tenant,
      interactiveUnits: Math.max(0, tenant.interactiveUnits),
      backgroundUnits: Math.max(0, tenant.backgroundUnits),
      engineS: Math.max(0, inFlight * engine.placeMs - takenMs) / 1000,
    })),
  }
}
