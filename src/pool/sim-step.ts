/** What a step of a modelled engine has in it: streams, and pieces of prompts. Pure. */
import type { Piece } from '../base/index.ts'
import { decodeStepMs, type EngineProfile } from './sim-profile.ts'
import type { SimTicket } from './sim-types.ts'

/** Answers are reported after this many tokens or a little more, never more than twice as many. */
export const REPORT_TOKENS = 8
/** Longest time that background work stands aside. */
export const YIELD_MS_MAX = 5000
/** People's streams that write this part of what the cap does leave nothing to background ones. */
const ENOUGH_SHARE = 0.9

/** Shares the tokens of a step among prompts, in their order. */
export function piecesOf(prompts: readonly SimTicket[], tokensMax: number): Piece<SimTicket>[] {
  const pieces: Piece<SimTicket>[] = []
  let left = tokensMax
  for (const candidate of prompts) {
    if (left === 0) break
    const tokens = Math.min(left, candidate.unread)
    pieces.push({ candidate, tokens })
    left -= tokens
  }
  return pieces
}

export const tokensOf = (pieces: readonly { tokens: number }[]): number =>
  pieces.reduce((total, { tokens }) => total + tokens, 0)

/** The fewest streams that write nearly as many tokens a second as the cap does. */
export function enoughStreams(profile: EngineProfile): number {
  const rate = (streams: number) => streams / decodeStepMs(profile, streams)
  const goal = ENOUGH_SHARE * rate(profile.cap)
  for (let streams = 1; streams < profile.cap; streams++) if (rate(streams) >= goal) return streams
  return profile.cap
}

const BARELY_MS = 1e-6

/** Steps that are alike, one after another. */
export interface StepRow {
  startMs: number
  stepMs: number
  steps: number
}

/**
 * Ends a row of steps with the one that is under way.
 * @returns the row with the steps that have begun by then; undefined where none has
 */
export function cutShort<R extends StepRow>(row: R, nowMs: number): R | undefined {
  const begun = Math.ceil((nowMs - row.startMs) / row.stepMs - BARELY_MS)
  if (begun <= 0) return undefined
  row.steps = Math.min(row.steps, begun)
  return row
}

export const endOf = (row: StepRow | undefined): number =>
  row === undefined ? Number.POSITIVE_INFINITY : row.startMs + row.steps * row.stepMs

/** Steps alike until a long prompt has a piece less than a whole one left. */
export function stepsOfOnePiece(
  [first, second]: readonly Piece<SimTicket>[],
  chunk: number,
): number {
  const isOneLong = first !== undefined && second === undefined && first.tokens === chunk
  return isOneLong ? Math.min(REPORT_TOKENS, Math.floor(first.candidate.unread / chunk)) : 1
}

export const bestFirst = (a: SimTicket, b: SimTicket) =>
  a.rank - b.rank || a.unread - b.unread || a.order - b.order

/** A prompt that has been begun goes on, whoever comes. */
export function begunFirst(a: SimTicket, b: SimTicket): number {
  const isBegun = (one: SimTicket) => (one.unread < one.uncachedTokens + one.generated ? 0 : 1)
  return isBegun(a) - isBegun(b) || a.rank - b.rank || a.order - b.order
}

/** Steps until the first of these streams is done, at most so many. */
export function stepsUntilDone(streams: readonly SimTicket[], most: number): number {
  let steps = most
  for (const { request, generated } of streams) {
    const left = request.outputTokens - generated
    if (left < steps) steps = left
  }
  return Math.max(1, steps)
}
