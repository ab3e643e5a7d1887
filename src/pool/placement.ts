/** Which of several engines a ticket goes to. Pure. */

import type { Arrival, CostWeights, EngineState, PoolGroup } from './scheduler-types.ts'
import { hasBackgroundCap, hasCap, hasExpress } from './selection.ts'
import type { TicketState } from './ticket-state.ts'

export type Room = 'cap' | 'reserve' | 'express'

/**
 * Tokens of every stream in flight that a prompt waits for: those of the step under way, and of one
 * between the pieces of what is read. With more, prompts would meet on the engine that has a few
 * streams less, while another reads nothing.
 */
const STREAM_TOKENS = 2

/**
 * The engine on which the ticket has its first token soonest, among those with room for its model:
 * the one with the least to do before it, what it has to read of its own prompt included, as a part
 * of its cap. So a ticket goes where its prompt's beginning is kept unless that engine is busier by
 * more than the beginning is worth. Where background work stands
 * aside, interactive tickets count only interactive work, or a burst would follow the accident of
 * which engine happens to hold a batch line less.
 */
export function bestEngine(
  pool: PoolGroup,
  { arrival, lane }: TicketState,
  room: Room,
  cost: CostWeights,
): EngineState | undefined {
  let best: EngineState | undefined
  let least = Number.POSITIVE_INFINITY
  let fewest = Number.POSITIVE_INFINITY
  for (const engine of pool.engines) {
    if (!hasRoom(engine, room) || !engine.models.includes(lane.model)) continue
    const own = cost.input * uncachedTokens(engine, arrival)
    const isAvoided = engine.id === arrival.avoidEngineId
    // Its cap is 0 where all places are held by others and only express ones are left.
    const places = Math.max(1, engine.cap)
    const ahead = isAvoided ? Number.MAX_VALUE : (unitsAhead(engine, room, cost) + own) / places
    const inFlight = engine.inFlight / places
    if (ahead > least || (ahead === least && inFlight >= fewest)) continue
    best = engine
    least = ahead
    fewest = inFlight
  }
  return best
}

/** Tokens of a prompt that the engine would have to read, one at least. */
export function uncachedTokens({ prefixes }: EngineState, arrival: Arrival): number {
  const { beginnings, estimatedInputTokens } = arrival
  if (beginnings === undefined) return estimatedInputTokens
  return Math.max(1, estimatedInputTokens - prefixes.hit(beginnings))
}

function hasRoom(engine: EngineState, room: Room): boolean {
  if (room === 'reserve') return hasBackgroundCap(engine)
  return room === 'express' ? hasExpress(engine) : hasCap(engine)
}

/** Service that the engine owes to others before or beside a new ticket. */
function unitsAhead(engine: EngineState, room: Room, cost: CostWeights): number {
  const isYielding = (engine.spare ?? 0) > 0 && room !== 'reserve'
  const tokens = engine.unread - (isYielding ? engine.unreadBackground : 0)
  const streams = engine.inFlight - (isYielding ? engine.background : 0)
  return cost.input * tokens + cost.output * STREAM_TOKENS * streams
}
