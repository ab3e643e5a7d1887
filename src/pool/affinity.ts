/**
 * Which ticket goes first where several engines serve a model and prompts have beginnings in
 * common: one whose beginning an engine with room has read already may pass those with a smaller
 * counter, as long as nobody gets further ahead than the bound of fairness allows anyway.
 *
 * Why the bound stays: whoever is served has at most `inFlight + 1` sequences afterwards, each
 * worth at most one whole context C. If it is ahead by no more than C and has two sequences less
 * than there are, it ends up no further ahead than all sequences together are worth, and that is U.
 */
import type { EngineState, PoolGroup, SchedulerConfig } from './scheduler-types.ts'
import type { Account, Place } from './share-tree.ts'
import type { TicketState } from './ticket-state.ts'

/** Places looked at on each level, and tickets in all. */
const PLACES_MAX = 16
const TICKETS_MAX = 64

interface Search {
  /** Engines with room for the model. */
  engines: readonly EngineState[]
  /** Sequences of all engines of the pool. */
  sequences: number
  advanceUnits: number
  ticketsLeft: number
  best: TicketState | undefined
  savedTokens: number
}

/**
 * The ticket below `from` of whose prompt most is kept by an engine with room, among those that
 * may go now; undefined where nothing is known of any engine.
 */
export function warmest(
  pool: PoolGroup,
  from: Place<TicketState>,
  config: SchedulerConfig,
  hasRoom: (engine: EngineState) => boolean,
): TicketState | undefined {
  const { model } = from.tree
  const search: Search = {
    engines: pool.engines.filter((engine) => hasRoom(engine) && engine.models.includes(model)),
    sequences: pool.engines.reduce((sum, { cap, express }) => sum + cap + express, 0),
    advanceUnits: config.affinityAdvanceUnits,
    ticketsLeft: TICKETS_MAX,
    best: undefined,
    savedTokens: -1,
  }
  if (search.engines.every(({ prefixes }) => prefixes.isEmpty)) return undefined
  look(from, search)
  return search.best
}

function look(place: Place<TicketState>, search: Search): void {
  const least = place.peek()
  if (least === undefined) {
    judge(place.first(), search)
    return
  }
  const count = Math.min(place.size, PLACES_MAX)
  for (let i = 0; i < count && search.ticketsLeft > 0; i++) {
    const below = place.at(i) as Place<TicketState>
    if (below === least || mayPass(below.account, least.account.counter, search)) {
      look(below, search)
    }
  }
}

function mayPass(account: Account<TicketState>, least: number, search: Search): boolean {
  if (account.inFlight + 2 > search.sequences) return false
  return account.counter <= least + search.advanceUnits / account.weight
}

function judge(ticket: TicketState | undefined, search: Search): void {
  if (ticket === undefined) return
  search.ticketsLeft--
  const { beginnings } = ticket.arrival
  let savedTokens = 0
  if (beginnings !== undefined) {
    for (const { prefixes } of search.engines) {
      savedTokens = Math.max(savedTokens, prefixes.hit(beginnings))
    }
  }
  if (savedTokens <= search.savedTokens) return
  search.best = ticket
  search.savedTokens = savedTokens
}
