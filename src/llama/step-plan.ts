/**
 * Decides what one step of the batch computes: who gets a token and which prompts are read how far.
 * Pure: the driver gathers the state and carries the plan out.
 */
import { isBackground, type StepRoom, withinRoom } from './step-room.ts'

/** A request that holds a sequence, as the planner sees it. */
export interface StepCandidate {
  /** Smaller numbers go first. */
  priority: number
  /** Position in order of arrival. */
  order: number
  /** Position of its sequence; neighbours are computed in one pass over the weights. */
  index: number
  /** Prompt tokens that are still unread; 0 once the request generates. */
  unread: number
  /** Prompt tokens that were unread when it began. */
  toRead: number
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

/** Prompt tokens that one step may read; 0 where it is the streams' turn. */
export type ReadBudget = (step: {
  /** Streams that wait for their next token meanwhile. */
  decoders: number
  /** Prompts that are to be read. */
  prompts: number
  /** True where none of them is long. */
  areShort: boolean
  /**
   * How the prompts rank against those streams; `background` ones, for which nobody waits, must let
   * others in soon.
   */
  standing: 'alone' | 'equal' | 'below' | 'background'
  /** Milliseconds of reading since streams had their last token. */
  readMs: number
}) => number

export interface StepPlanOptions extends StepRoom {
  readBudget: ReadBudget
  /** Milliseconds of reading since streams had their last token. */
  readMs: number
}

/** Prompts up to this length are read before others have their next token. */
const SHORT_TOKENS = 64
/** Tokens by which a step may exceed its budget to end a prompt. */
export const REST_TOKENS_MAX = 16
/** Share of the budget kept for the oldest prompt, so that short ones cannot starve it. */
const OLDEST_SHARE = 0.25

/**
 * Plans one step, which either reads prompts or gives streams their next token: llama.cpp
 * computes the two in passes of their own even where they share a batch, so apart they cost the
 * same and a first token does not wait for everybody's next one. Only prompts of the best rank
 * present are read, as any other would delay their first token; of background work, for which
 * nobody waits, the next ranks get what the best leaves of a step. Streams of a worse rank stand
 * aside until those prompts have their first token, unless one of that rank or a better one
 * waits for its next: then they take turns with the prompts, all but background work, for which
 * no interactive prompt waits. Among prompts of equal rank the shorter remainder goes first, a
 * quarter is kept for the oldest.
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
    options,
  )
  if (prompts.length === 0) return streams.length > 0 ? { decode: streams, read: [] } : undefined
  const first = prompts.reduce((a, b) => (b.priority < a.priority ? b : a))
  const isShared = streams.some((stream) => stream.priority <= first.priority)
  const mayStep = (stream: C) => isShared && (isBackground(first) || !isBackground(stream))
  const decode = streams.filter((one) => mayStep(one) || one.idleMs > options.yieldMsMax)
  const rivals = prompts.filter((prompt) => isBackground(prompt) === isBackground(first))
  const budget = options.readBudget({
    decoders: decode.length,
    prompts: rivals.length,
    areShort: rivals.every(isShort),
    standing: standing(decode, first),
    readMs: options.readMs,
  })
  if (decode.length > 0 && budget <= 0) return { decode, read: [] }
  return { decode: [], read: readByRank(prompts, first, Math.max(1, budget)) }
}

function standing(
  decode: readonly StepCandidate[],
  prompt: StepCandidate,
): 'alone' | 'equal' | 'below' | 'background' {
  if (isBackground(prompt)) return 'background'
  if (decode.length === 0) return 'alone'
  return decode.every((stream) => stream.priority < prompt.priority) ? 'below' : 'equal'
}

/** Shares `budget` among the prompts of the best rank, and where that is background also on. */
function readByRank<C extends StepCandidate>(
  prompts: readonly C[],
  first: C,
  budget: number,
): StepPlan<C>['read'] {
  const alike = isBackground(first) ? prompts.map(({ priority }) => priority) : [first.priority]
  const ranks = [...new Set(alike)].sort((a, b) => a - b)
  const read: StepPlan<C>['read'] = []
  let left = budget
  for (const rank of ranks) {
    if (left <= 0) break
    const shares = shareBudget(
      prompts.filter(({ priority }) => priority === rank),
      left,
    )
    for (const { tokens } of shares) left -= tokens
    read.push(...shares)
  }
  return read
}

/**
 * Short prompts in order of arrival, then long ones, the shorter remainder first; a long one that
 * came before all others has a part for itself, so that it cannot starve. Every piece is a pass of
 * its own, so a short rest is read along and no short prompt is begun with what others left.
 */
function shareBudget<C extends StepCandidate>(prompts: C[], budget: number): StepPlan<C>['read'] {
  const shares = new Map<C, number>()
  let left = budget
  const give = (prompt: C, tokens: number) => {
    if (tokens > 0) shares.set(prompt, (shares.get(prompt) ?? 0) + tokens)
    left -= tokens
  }
  const oldest = prompts.reduce((a, b) => (b.order < a.order ? b : a))
  if (!isShort(oldest)) give(oldest, Math.min(oldest.unread, Math.ceil(budget * OLDEST_SHARE)))
  for (const prompt of prompts.toSorted(inTurn)) {
    if (left <= 0) break
    const rest = prompt.unread - (shares.get(prompt) ?? 0)
    const isNearlyAll = rest - left <= Math.min(left / 2, REST_TOKENS_MAX)
    if (isNearlyAll) give(prompt, rest)
    else if (!isShort(prompt) || shares.size === 0) give(prompt, left)
  }
  return [...shares].map(([candidate, tokens]) => ({ candidate, tokens }))
}

const isShort = ({ toRead }: StepCandidate) => toRead <= SHORT_TOKENS

function inTurn(a: StepCandidate, b: StepCandidate): number {
  const byLength = Number(isShort(b)) - Number(isShort(a))
  return byLength || (isShort(a) ? 0 : a.unread - b.unread) || a.order - b.order
}
