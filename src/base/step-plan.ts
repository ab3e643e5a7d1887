/**
 * Decides what one step of the batch computes: who gets a token and which prompts are read how far.
 * Pure, and the same for the embedded engine and its model in the simulator: they gather the state,
 * say how many tokens a step may read, and carry the plan out.
 */
import { isBackground, type StepRoom, withinRoom } from './step-room.ts'

/** A request that holds a sequence, as the planner sees it. */
export interface StepCandidate {
  /** Smaller numbers go first. */
  rank: number
  /** Position in order of arrival. */
  order: number
  /** Position of its sequence; neighbours are computed in one pass over the weights. */
  index: number
  /** Prompt tokens that are still unread; 0 once the request generates. */
  unread: number
  /** Prompt tokens that were unread when it began. */
  toRead: number
  /** Tokens of later prompts of its rank that were read while it waited. */
  passedTokens: number
  /** The client does not keep up, so nothing is computed for it. */
  paused: boolean
  /** When its last step ended, milliseconds of a monotonic clock. */
  lastStepMs: number
}

/** Prompt tokens that one step reads. */
export interface Piece<C extends StepCandidate> {
  candidate: C
  tokens: number
}

export interface StepPlan<C extends StepCandidate> {
  /** Requests that get their next token. */
  decode: C[]
  /** Prompts of which the next tokens are read. */
  read: Piece<C>[]
}

/** What decides how much of prompts a step may read. */
export interface ReadStep {
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
  /** Part of the longest turn that this one may be; less than 1 for background prompts only. */
  turnShare: number
}

/**
 * Prompt tokens that one step may read; 0 where it is the streams' turn.
 * @param next the prompt that is read first
 */
export type ReadBudget<C extends StepCandidate> = (step: ReadStep, next: C) => number

export interface StepPlanOptions<C extends StepCandidate> extends StepRoom {
  readBudget: ReadBudget<C>
  /** Milliseconds of reading since streams had their last token. */
  readMs: number
  /** Of its longest turn the part that background work has beside people; see `BackgroundTurn`. */
  backgroundShare: number
  nowMs: number
}

/** Prompts up to this length are read before others have their next token. */
const SHORT_TOKENS = 64
/** Tokens by which a step may exceed its budget to end a prompt. */
export const REST_TOKENS_MAX = 16
/** So many times its own length a prompt lets later ones go before it, and then none. */
const PASSED_OVER_OWN = 8

/**
 * Plans one step, which either reads prompts or gives streams their next token: llama.cpp
 * computes the two in passes of their own even where they share a batch, so apart they cost the
 * same and a first token does not wait for everybody's next one. Only prompts of the best rank
 * present are read, as any other would delay their first token; of background work, for which
 * nobody waits, the next ranks get what the best leaves of a step. Streams of a worse rank stand
 * aside until those prompts have their first token, unless one of that rank or a better one
 * waits for its next: then they take turns with the prompts, all but background work, for which
 * no interactive prompt waits. How long background prompts may keep people from their next token
 * is told by `backgroundShare`; where none was read for `yieldMsMax`, it is a whole turn. Among
 * prompts of equal rank the shorter remainder goes first, until later ones have taken so many times
 * a prompt's own length from it.
 * @param candidates in the order of their sequences
 * @returns undefined when there is nothing to compute
 */
export function planStep<C extends StepCandidate>(
  candidates: readonly C[],
  options: StepPlanOptions<C>,
): StepPlan<C> | undefined {
  const prompts: C[] = []
  const awake: C[] = []
  for (const candidate of candidates) {
    if (candidate.paused) continue
    if (candidate.unread > 0) prompts.push(candidate)
    else awake.push(candidate)
  }
  const streams = withinRoom(awake, options)
  if (prompts.length === 0) return streams.length > 0 ? { decode: streams, read: [] } : undefined
  const first = firstInTurn(prompts)
  const decode = streamsBeside(first, streams, options)
  const rivals = prompts.filter((prompt) => isBackground(prompt) === isBackground(first))
  const step: ReadStep = {
    decoders: decode.length,
    prompts: rivals.length,
    areShort: rivals.every(isShort),
    standing: standing(decode, first),
    readMs: options.readMs,
    turnShare: isBackground(first) ? backgroundShare(decode, rivals, options) : 1,
  }
  const budget = options.readBudget(step, first)
  if (decode.length > 0 && budget <= 0) return { decode, read: [] }
  return { decode: [], read: readByRank(prompts, first, Math.max(1, budget)) }
}

/** Those that take turns with a prompt, and those that have stood aside for too long. */
function streamsBeside<C extends StepCandidate>(
  first: C,
  streams: readonly C[],
  { nowMs, yieldMsMax }: StepPlanOptions<C>,
): C[] {
  const isShared = streams.some((stream) => stream.rank <= first.rank)
  const isForNobody = isBackground(first)
  return streams.filter((stream) => {
    if (isShared && (isForNobody || !isBackground(stream))) return true
    return nowMs - stream.lastStepMs > yieldMsMax
  })
}

/** Where people's streams wait meanwhile it is what is told, unless no prompt is ever read. */
function backgroundShare<C extends StepCandidate>(
  decode: readonly C[],
  prompts: readonly C[],
  { backgroundShare, yieldMsMax, nowMs }: StepPlanOptions<C>,
): number {
  const areOverdue = prompts.every(({ lastStepMs }) => nowMs - lastStepMs > yieldMsMax)
  return areOverdue || decode.every(isBackground) ? 1 : backgroundShare
}

/** Of the best rank the one that is read first. */
function firstInTurn<C extends StepCandidate>(prompts: readonly C[]): C {
  const [only] = prompts
  if (only !== undefined && prompts.length === 1) return only
  const best = Math.min(...prompts.map(({ rank }) => rank))
  const alike = prompts.filter(({ rank }) => rank === best)
  const byTurn = inTurn(alike.filter(isPassedEnough))
  return alike.reduce((a, b) => (byTurn(b, a) < 0 ? b : a))
}

function standing(
  decode: readonly StepCandidate[],
  prompt: StepCandidate,
): 'alone' | 'equal' | 'below' | 'background' {
  if (isBackground(prompt)) return 'background'
  if (decode.length === 0) return 'alone'
  return decode.every((stream) => stream.rank < prompt.rank) ? 'below' : 'equal'
}

/** Shares `budget` among the prompts of the best rank, and where that is background also on. */
function readByRank<C extends StepCandidate>(
  prompts: readonly C[],
  first: C,
  budget: number,
): Piece<C>[] {
  const alike = isBackground(first) ? prompts : [first]
  const ranks = [...new Set(alike.map(({ rank }) => rank))].sort((a, b) => a - b)
  const read: Piece<C>[] = []
  let left = budget
  for (const rank of ranks) {
    if (left <= 0) break
    const shares = shareBudget(
      prompts.filter((prompt) => prompt.rank === rank),
      left,
    )
    for (const { tokens } of shares) left -= tokens
    read.push(...shares)
  }
  return read
}

/**
 * Short prompts in order of arrival, then long ones, the shorter remainder first. Whoever came
 * after one that has let enough others pass goes behind it, so a prompt waits for those that were
 * there before it and for so many times its own length, no longer, whatever comes. Every piece is a
 * pass of its own, so a short rest is read along, and no short prompt is begun with what others
 * left.
 */
function shareBudget<C extends StepCandidate>(prompts: readonly C[], budget: number): Piece<C>[] {
  const read: Piece<C>[] = []
  let left = budget
  for (const prompt of prompts.toSorted(inTurn(prompts.filter(isPassedEnough)))) {
    if (left <= 0) break
    const isNearlyAll = prompt.unread - left <= Math.min(left / 2, REST_TOKENS_MAX)
    if (!isNearlyAll && isShort(prompt) && read.length > 0) continue
    const tokens = isNearlyAll ? prompt.unread : left
    read.push({ candidate: prompt, tokens })
    left -= tokens
  }
  return read
}

const isPassedEnough = ({ passedTokens, toRead }: StepCandidate) =>
  passedTokens >= PASSED_OVER_OWN * toRead

/**
 * Notes what a step reads with those whom it passes; to be called once for every step.
 * @param candidates all that hold a sequence
 */
export function notePassed(
  candidates: Iterable<StepCandidate>,
  read: readonly Piece<StepCandidate>[],
): void {
  for (const one of candidates) {
    if (one.unread === 0) continue
    for (const { candidate, tokens } of read) {
      if (candidate.rank === one.rank && candidate.order > one.order) one.passedTokens += tokens
    }
  }
}

const isShort = ({ toRead }: StepCandidate) => toRead <= SHORT_TOKENS

/** @param fixed prompts behind which all that came later go */
const inTurn = (fixed: readonly StepCandidate[]) => (a: StepCandidate, b: StepCandidate) => {
  const behind = (one: StepCandidate) => fixed.filter(({ order }) => order < one.order).length
  const byLength = behind(a) - behind(b) || Number(isShort(b)) - Number(isShort(a))
  return byLength || (isShort(a) ? 0 : a.unread - b.unread) || a.order - b.order
}
