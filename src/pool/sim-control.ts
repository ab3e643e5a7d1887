/** Production's control of the reserve, joined to the engines of a simulation. */
import { ReserveControl } from './reserve-control.ts'
import type { Scheduler } from './scheduler.ts'
import type { EngineProfile } from './sim-profile.ts'
import { isInteractive, sum } from './sim-recorder.ts'
import type { SimObserver, SimTicket } from './sim-types.ts'
import type { Simulation } from './simulator.ts'

export class SimReserve implements SimObserver {
  readonly #waiting = new Set<SimTicket>()
  readonly #control: ReserveControl
  readonly #scheduler: Scheduler
  readonly #engines: number
  readonly #profile: EngineProfile
  #sumOfReserves = 0
  #updates = 0

  /** One control for engines that are all alike, as their tickets go wherever there is room. */
  constructor(
    scheduler: Scheduler,
    { profile, engines, promiseMs }: { profile: EngineProfile; engines: number; promiseMs: number },
  ) {
    this.#scheduler = scheduler
    this.#profile = profile
    this.#engines = engines
    this.#control = new ReserveControl({ promiseMs, yieldsBySteps: profile.yields === 'step' })
  }

  /** Sequences kept free on average. */
  get meanReserve(): number {
    return this.#updates === 0 ? 0 : this.#sumOfReserves / this.#updates
  }

  arrived(ticket: SimTicket): void {
    if (isInteractive(ticket)) this.#waiting.add(ticket)
  }

  dispatched(ticket: SimTicket): void {
    this.#waiting.delete(ticket)
  }

  promptRead(ticket: SimTicket, nowMs: number): void {
    if (!isInteractive(ticket)) return
    const ownMs = (1000 * ticket.uncachedTokens) / this.#profile.readTokensPerS
    this.#control.firstToken(nowMs, nowMs - ticket.arrivedMs, ownMs)
  }

  ended(ticket: SimTicket): void {
    this.#waiting.delete(ticket)
  }

  /** To be called every second. */
  update(nowMs: number, simulation: Simulation): void {
    const { cap } = this.#profile
    let backgroundInFlight = 0
    for (const ticket of simulation.open.values()) {
      if (ticket.dispatchedMs !== undefined && !isInteractive(ticket)) backgroundInFlight++
    }
    const [oldest] = this.#waiting
    const before = this.#control.state
    const { yields, spare } = this.#profile
    const inFlight = Math.ceil(backgroundInFlight / this.#engines)
    const needed = sum(this.#scheduler.pools().map((pool) => pool.needed.places(nowMs)))
    const state = this.#control.update(nowMs, {
      cap,
      backgroundInFlight: inFlight,
      inTheWay: Math.max(0, inFlight - (yields === 'step' ? spare : 0)),
      placesNeeded: Math.ceil(needed / this.#engines),
      interactiveWaitMs: oldest === undefined ? 0 : nowMs - oldest.arrivedMs,
    })
    this.#sumOfReserves += state.reserve
    this.#updates++
    if (this.#updates > 1 && state.reserve === before.reserve) return
    for (const id of simulation.engines.keys()) {
      simulation.setEngine(id, { reserve: state.reserve })
    }
  }
}
