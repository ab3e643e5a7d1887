/**
 * What is kept of every engine for later: its minutes, and each change of its health with the
 * reason. Decides nothing; whoever made it writes the rows.
 */
import type { Clock } from '../base/index.ts'
import type {
  AttemptFailure,
  CapacityMinute,
  EngineChange,
  EngineHealthState,
} from '../meter/index.ts'
import { CapacityMeter } from './capacity-meter.ts'
import type { EngineCircuit } from './engine-circuit.ts'
import type { PoolTicket } from './ticket.ts'
import type { PoolEngine } from './types.ts'

export interface RecordSink {
  /** Receives the rows of every minute that ends. */
  recordCapacity: (rows: CapacityMinute[]) => void
  /** Receives every change of an engine's health. */
  recordChange: (change: EngineChange) => void
}

interface Engines {
  readonly engines: ReadonlyMap<string, PoolEngine>
  readonly scheduler: { engine(id: string): { inFlight: number } | undefined }
  readonly health: { of(engineId: string): EngineCircuit }
}

export class EngineRecord {
  readonly meter: CapacityMeter
  readonly #pool: Engines
  readonly #clock: Clock
  readonly #sink: RecordSink
  readonly #states = new Map<string, EngineHealthState>()

  constructor(pool: Engines, clock: Clock, sink: RecordSink) {
    this.#pool = pool
    this.#clock = clock
    this.#sink = sink
    this.meter = new CapacityMeter(clock.nowMs())
  }

  /** Notes how an engine is from now on. */
  look(id: string): void {
    const place = this.#pool.engines.get(id)
    if (place === undefined) return
    const nowMs = this.#clock.nowMs()
    const circuit = this.#pool.health.of(id)
    const health = healthOf(place, circuit)
    this.meter.set(id, nowMs, {
      health,
      isLoading: place.state === 'starting',
      inFlight: this.#pool.scheduler.engine(id)?.inFlight ?? 0,
      cap: place.control.cap.cap,
      capacityUnitsPerS: place.profile.capacityUnitsPerS,
    })
    // One that is asked for the first time has no health yet.
    if (place.state === 'starting' || this.#states.get(id) === health) return
    this.#states.set(id, health)
    const reason = health === 'degraded' ? circuit.reason : place.reason
    this.#sink.recordChange({ engineId: id, atMs: nowMs, state: health, reason })
  }

  /** A request has left its engine, if it was at one. @param failure how it was failed there */
  left({ engineId = '', request }: PoolTicket, failure: AttemptFailure | undefined): void {
    this.meter.left(engineId, request.tenantId, this.#clock.nowMs(), failure)
  }

  /** Writes the minutes that have ended. @returns false where none has */
  write(): boolean {
    return this.#hand(this.meter.take(this.#clock.nowMs()))
  }

  forget(id: string): void {
    this.#states.delete(id)
    this.#hand(this.meter.take(this.#clock.nowMs(), [id]))
  }

  /** Writes the minute in progress. */
  close(): void {
    this.#hand(this.meter.close(this.#clock.nowMs()))
  }

  #hand(rows: CapacityMinute[]): boolean {
    if (rows.length === 0) return false
    this.#sink.recordCapacity(rows)
    return true
  }
}

function healthOf({ state }: PoolEngine, circuit: EngineCircuit): EngineHealthState {
  if (state === 'starting') return 'down'
  return state === 'up' && circuit.state !== 'closed' ? 'degraded' : state
}
