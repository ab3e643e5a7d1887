/** The words of the simulator: what is asked of it and what it tells. Plain data, no behaviour. */

import type { StepCandidate } from '../base/index.ts'
import type { HeapMember } from './heap.ts'
import type { Scheduler } from './scheduler.ts'
import type { Arrival, Dispatch } from './scheduler-types.ts'
import type { EngineProfile } from './sim-profile.ts'
import type { TraceRow } from './sim-trace.ts'

/** A row of a trace, with what only some simulations set. */
export interface SimRequest extends TraceRow {
  /** Model it asks for; all engines serve `DEFAULT_MODEL`. */
  model?: string
  keyId?: string
  /** What the gateway would guess; the true length where absent. */
  estimatedInputTokens?: number
  /** The caller leaves this long after it came, milliseconds. */
  abortAfterMs?: number
  /** The moment by which it must be done: a deadline of batch work, milliseconds. */
  deadlineMs?: number
}

export const DEFAULT_MODEL = 'model'

/** The scheduler's side of the simulator; the production one and those it is compared with. */
export interface SimScheduler extends Pick<Scheduler, 'setEngine'> {
  next(): Omit<Dispatch, 'ticket'> | undefined
  promptRead(ticket: SimQueued, uncachedInputTokens: number): void
  progress(ticket: SimQueued, outputTokens: number): void
  finish(ticket: SimQueued): void
  arrive(arrival: Arrival): SimQueued | 'queue_full'
  cancel(ticket: SimQueued): boolean
}

/** A request in the queue of a scheduler. */
export interface SimQueued {
  readonly arrival: Arrival
}

export interface SimEngineSetup {
  id: string
  profile: EngineProfile
  models?: readonly string[]
}

export type SimOutcome = 'done' | 'aborted'

/** One request on its way through the simulation, as the planner of steps sees it, too. */
export interface SimTicket extends StepCandidate {
  readonly id: string
  readonly request: SimRequest
  readonly order: number
  arrivedMs: number
  /** Undefined while it waits for the scheduler. */
  dispatchedMs: number | undefined
  firstTokenMs: number | undefined
  /** Prompt tokens that the engine has to read, those of a kept prefix left out. */
  uncachedTokens: number
  generated: number
  /** Output tokens that the scheduler has heard of. */
  reported: number
  aborted: boolean
  /** Its place in the queue, once it has one. */
  queued: SimQueued | undefined
}

/** The model of an engine: plans steps, and carries them out when they end. */
export interface SimEngineModel extends HeapMember {
  readonly id: string
  readonly profile: EngineProfile
  /** When the running segment ends; infinite while nothing runs. */
  readonly endMs: number
  /** Milliseconds in which it computed something. */
  readonly busyMs: number
  /** Requests it holds, those that wait for memory included. */
  readonly held: number
  readonly isIdle: boolean
  /** Takes a request; it joins with the next step. */
  add(ticket: SimTicket, nowMs: number): void
  /** Its caller has left; it ends with the step that is under way. */
  abort(ticket: SimTicket, nowMs: number): void
  /** Carries out the segment that ends now; its events are told before this returns. */
  complete(nowMs: number): void
  /** Gives up requests whose callers have left; only between two segments. */
  dropAborted(nowMs: number): void
  /** Plans the next segment where none runs. */
  plan(nowMs: number): void
}

/** What an engine's model tells. */
export interface SimEngineEvents {
  promptRead(ticket: SimTicket, nowMs: number): void
  progressed(ticket: SimTicket, nowMs: number): void
  preempted(ticket: SimTicket, tokens: number, nowMs: number): void
  ended(ticket: SimTicket, outcome: SimOutcome, nowMs: number): void
}

/** Hears everything that happens; times are milliseconds of the simulation. */
export interface SimObserver {
  arrived?(ticket: SimTicket, nowMs: number): void
  dispatched?(ticket: SimTicket, nowMs: number): void
  /** The prompt is read; `uncachedTokens` of it had to be computed. */
  promptRead?(ticket: SimTicket, nowMs: number): void
  /** So many more tokens of its answer came. */
  progressed?(ticket: SimTicket, tokens: number, nowMs: number): void
  /** An engine ran out of memory and will read so many tokens once more. */
  preempted?(ticket: SimTicket, tokens: number, nowMs: number): void
  ended?(ticket: SimTicket, outcome: SimOutcome, nowMs: number): void
}

/** Work that is not on a fixed schedule: closed loops, and batches that are fed into the queue. */
export interface SimFeed {
  /** Requests to queue now; asked every second and after each end of one of its own. */
  draw(nowMs: number): SimRequest[]
  /** Told about every request it handed out. */
  ended(request: SimRequest, outcome: SimOutcome, nowMs: number): void
}
