/**
 * Decides what one step of the batch computes: who gets a token and which prompts are read how far.
 * Pure: the driver gathers the state and carries the plan out.
 */
import { RANKS_PER_CLASS } from '../base/index.ts'

/** A request that holds a sequence, as the planner sees it. */
export interface StepCandidate {
  /** Smaller numbers go first. */
  priority: number
  /** Position in order of arrival. */
  order: number
  /** Prompt tokens that are still unread; 0 once the request generates. */
  unread: number
  /** The client does not keep up, so nothing is computed for it. */
  paused: boolean
  /** Milliseconds since its last step. */
  idleMs: number
}

export interface StepPlan<C extends StepCandidate> {
  /** Requests that get their next token. */
  decode: C[]
  /** Prompts of which the next `tokens` are read. */
  read: { candidate: C; tokens: number }[]
}

/** Prompt tokens that one step may read. */
export type ReadBudget = (step: {
  /** Streams that take their step along. */
  decoders: number
  /** Prompts that are to be read. */
  prompts: number
  /** How the prompts rank against those streams. */
  standing: 'alone' | 'equal' | 'below'
}) => number

export interface StepPlanOptions {
  readBudget: ReadBudget
  /**
   * Streams of one step at most, while some are of a better class: beyond it the worst stand aside.
   */
  room: number
  /** Longest time that a stream stands aside for better-ranked prompts, milliseconds. */
  yieldMsMax: number
}

/** Share of the budget kept for the oldest prompt, so that short ones cannot starve it. */
const OLDEST_SHARE = 0.25
/** After this long aside a stream goes before others of its class. */
const TURN_MS = 1000

/**
 * Plans one step. Only prompts of the best rank present are read. Streams of a worse rank stand
 * aside until those prompts have their first token, unless a stream of that rank or a better one
 * takes its step along: then all do, because one pass over the weights serves many streams at
 * nearly the price of one. Among prompts of equal rank the shorter remainder goes first, a quarter
 * is kept for the oldest.
 * @param candidates in the order of their sequences
 * @returns undefined when there is nothing to compute
 */
export function planStep<C extends StepCandidate>(
  candidates: readonly C[],
  options: StepPlanOptions,
): StepPlan<C> | undefined {
  const awake = candidates.filter((candidate) => !candidate.paused)
  const prompts = awake.filter((candidate) => candidate.unread > 0)
  const streams = withinRoom(
    awake.filter((candidate) => candidate.unread === 0),
    options.room,
  )
  if (prompts.length === 0) return streams.length > 0 ? { decode: streams, read: [] } : undefined
  const best = Math.min(...prompts.map((prompt) => prompt.priority))
  const isShared = streams.some((stream) => stream.priority <= best)
  const decode = streams.filter((stream) => isShared || stream.idleMs > options.yieldMsMax)
  const reading = prompts.filter((prompt) => prompt.priority === best)
  const budget = options.readBudget({
    decoders: decode.length,
    prompts: reading.length,
    standing: standing(decode, best),
  })
  return { decode, read: shareBudget(reading, Math.max(1, budget)) }
}

const classOf = ({ priority }: StepCandidate) => Math.floor(priority / RANKS_PER_CLASS)

/**
 * Those that step: all of the best class, and of the others as many as there is room for. Of equal
 * ones the last stand aside, so that those who step are neighbours.
 */
function withinRoom<C extends StepCandidate>(streams: C[], room: number): C[] {
  if (streams.length <= room) return streams
  const best = Math.min(...streams.map(classOf))
  const others = streams
    .map((stream, position) => ({ stream, position, isDue: stream.idleMs > TURN_MS }))
    .filter(({ stream }) => classOf(stream) > best)
    .sort(
      (a, b) =>
        classOf(b.stream) - classOf(a.stream) ||
        Number(a.isDue) - Number(b.isDue) ||
        b.position - a.position,
    )
  const aside = new Set(others.slice(0, streams.length - room).map(({ stream }) => stream))
  return streams.filter((stream) => !aside.has(stream))
}

function standing(decode: readonly StepCandidate[], best: number): 'alone' | 'equal' | 'below' {
  if (decode.length === 0) return 'alone'
  return decode.every((stream) => stream.priority < best) ? 'below' : 'equal'
}

function shareBudget<C extends StepCandidate>(prompts: C[], budget: number): StepPlan<C>['read'] {
  const shares = new Map<C, number>()
  let left = budget
  const give = (prompt: C, most: number) => {
    const given = shares.get(prompt) ?? 0
    const tokens = Math.min(prompt.unread - given, most, left)
    if (tokens > 0) shares.set(prompt, given + tokens)
    left -= Math.max(0, tokens)
  }
  const oldest = prompts.reduce((a, b) => (b.order < a.order ? b : a))
  give(oldest, Math.ceil(budget * OLDEST_SHARE))
  const byRemainder = prompts.toSorted((a, b) => a.unread - b.unread || a.order - b.order)
  for (const prompt of byRemainder) give(prompt, left)
  return [...shares].map(([candidate, tokens]) => ({ candidate, tokens }))
}
