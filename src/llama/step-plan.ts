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

export interface StepPlanOptions {
  readBudget: ReadBudget
  /**
   * Streams of one step at most, while some are of a better class: beyond it the worst stand aside.
   */
  room: number
  /** Longest time that a stream stands aside for better-ranked prompts, milliseconds. */
  yieldMsMax: number
  /** Milliseconds of reading since streams had their last token. */
  readMs: number
}

/** The best class of background work, for which nobody waits. */
const BACKGROUND_CLASS = 2
/** Prompts up to this length are read before others have their next token. */
const SHORT_TOKENS = 64
/** Tokens by which a step may exceed its budget to end a prompt. */
export const REST_TOKENS_MAX = 16
/** Share of the budget kept for the oldest prompt, so that short ones cannot starve it. */
const OLDEST_SHARE = 0.25
/** Streams between two neighbours that cost no more than the pass that they spare. */
const GAP_MAX = 2
/** After this long aside a stream goes before others of its class. */
const TURN_MS = 1000

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
    options.room,
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
    areShort: rivals.every(({ toRead }) => toRead <= SHORT_TOKENS),
    standing: standing(decode, first),
    readMs: options.readMs,
  })
  if (decode.length > 0 && budget <= 0) return { decode, read: [] }
  return { decode: [], read: readByRank(prompts, first, Math.max(1, budget)) }
}

const classOf = ({ priority }: { priority: number }) => Math.floor(priority / RANKS_PER_CLASS)
/** True where nobody waits for it. */
export const isBackground = (one: { priority: number }) => classOf(one) >= BACKGROUND_CLASS

/**
 * Those that step: all of the best class, and of the others as many as there is room for. Of equal
 * ones the last stand aside, so that those who step are neighbours; and where only a few stand
 * between two neighbours, they come along, for a pass around them costs as much as they do.
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
  for (const stream of between(streams, aside)) aside.delete(stream)
  return streams.filter((stream) => !aside.has(stream))
}

/** Those aside of which at most a few stand in a row between two that step, with no idle one. */
function between<C extends StepCandidate>(streams: readonly C[], aside: ReadonlySet<C>): C[] {
  const found: C[] = []
  let [row, last]: [C[], C | undefined] = [[], undefined]
  for (const stream of streams) {
    if (aside.has(stream)) {
      row.push(stream)
      continue
    }
    const isUnbroken = last !== undefined && stream.index - last.index === row.length + 1
    if (isUnbroken && row.length <= GAP_MAX) found.push(...row)
    row = []
    last = stream
  }
  return found
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

function shareBudget<C extends StepCandidate>(prompts: C[], budget: number): StepPlan<C>['read'] {
  const shares = new Map<C, number>()
  let left = budget
  const give = (prompt: C, most: number) => {
    const given = shares.get(prompt) ?? 0
    const rest = prompt.unread - given
    const over = rest - left
    // A short rest is read along: it would cost a pass of its own.
    const isLast = prompts.length === 1 && over <= Math.min(left / 2, REST_TOKENS_MAX)
    const tokens = isLast ? rest : Math.min(rest, most, left)
    if (tokens > 0) shares.set(prompt, given + tokens)
    left -= Math.max(0, tokens)
  }
  const oldest = prompts.reduce((a, b) => (b.order < a.order ? b : a))
  give(oldest, Math.ceil(budget * OLDEST_SHARE))
  const byRemainder = prompts.toSorted((a, b) => a.unread - b.unread || a.order - b.order)
  for (const prompt of byRemainder) give(prompt, left)
  return [...shares].map(([candidate, tokens]) => ({ candidate, tokens }))
}
