/**
 * Per engine and minute: seconds registered, up and idle, and who received what. Feeds the ledger.
 */
import type { Band } from '../base/index.ts'
import type { AttemptFailure, CapacityMinute, EngineHealthState } from '../meter/index.ts'

type TenantMinute = CapacityMinute['tenants'][number]

interface EngineMinute {
  sinceMs: number
  health: EngineHealthState
  inFlight: number
  cap: number
  capacityUnitsPerS: number | null
  registeredMs: number
  upMs: number
  idleMs: number
  degradedMs: number
  drainingMs: number
  attempts: number
  failures: CapacityMinute['failures']
  slotMs: number
  capSlotMs: number
  tenants: Map<string, TenantMinute>
}

type EngineNow = Pick<EngineMinute, 'health' | 'inFlight' | 'cap' | 'capacityUnitsPerS'>

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
  took(engineId: string, nowMs: number): void {
    const minute = this.#engines.get(engineId)
    if (minute === undefined) return
    integrate(minute, nowMs)
    minute.inFlight++
  }

  /** A request has left the engine. @param failure how it was failed there, if it was */
  left(engineId: string, nowMs: number, failure: AttemptFailure | undefined): void {
    const minute = this.#engines.get(engineId)
    if (minute === undefined) return
    integrate(minute, nowMs)
    minute.inFlight--
    minute.attempts++
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
    const isOver = minute > this.#minuteAtMs
    const rows: CapacityMinute[] = []
    for (const [engineId, engine] of this.#engines) {
      const isRemoved = removed.includes(engineId)
      if (!isOver && !isRemoved) continue
      integrate(engine, isOver && !isRemoved ? minute : nowMs)
      rows.push(rowOf(engineId, this.#minuteAtMs, engine))
      if (isRemoved) this.#engines.delete(engineId)
      else this.#engines.set(engineId, fresh(minute, engine))
    }
    if (isOver) this.#minuteAtMs = minute
    return rows
  }

  /** Rows of the minute in progress; for the shutdown. */
  close(nowMs: number): CapacityMinute[] {
    return this.take(nowMs, [...this.#engines.keys()])
  }

  #tenant(engineId: string, tenantId: string): TenantMinute | undefined {
    const engine = this.#engines.get(engineId)
    if (engine === undefined) return undefined
    let tenant = engine.tenants.get(tenantId)
    if (tenant === undefined) {
      tenant = { tenantId, interactiveUnits: 0, backgroundUnits: 0, entitledUnits: 0, waste: {} }
      engine.tenants.set(tenantId, tenant)
    }
    return tenant
  }
}

const minuteOf = (nowMs: number) => Math.floor(nowMs / 60_000) * 60_000

function fresh(nowMs: number, state: EngineNow): EngineMinute {
  const { health, inFlight, cap, capacityUnitsPerS } = state
  return {
    sinceMs: nowMs,
    health,
    inFlight,
    cap,
    capacityUnitsPerS,
    registeredMs: 0,
    upMs: 0,
    idleMs: 0,
    degradedMs: 0,
    drainingMs: 0,
    attempts: 0,
    failures: {},
    slotMs: 0,
    capSlotMs: 0,
    tenants: new Map(),
  }
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
    attempts: engine.attempts,
    failures: engine.failures,
    capacityUnitsPerS: engine.capacityUnitsPerS,
    slotS: engine.slotMs / 1000,
    capSlotS: engine.capSlotMs / 1000,
    tenants: [...engine.tenants.values()],
  }
}
