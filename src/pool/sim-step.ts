/** What a step of a modelled engine has in it: streams, and pieces of prompts. Pure. */
import { RANKS_PER_CLASS } from '../base/index.ts'
import { decodeStepMs, type EngineProfile } from './sim-profile.ts'
import type { SimTicket } from './sim-types.ts'

/** Answers are reported after this many tokens or a little more, never more than twice as many. */
export const REPORT_TOKENS = 8
/** Part of a step's tokens that prompts of the next ranks may have. */
const NEXT_RANKS_SHARE = 1 / 8
/** Longest time that background work stands aside. */
const YIELD_MS_MAX = 5000
/** Between two tokens background prompts are read for so many steps, but not for less than this. */
const BACKGROUND_TURN = { steps: 2, msMin: 25 }
/** After this long aside a stream goes before others of its class. */
const TURN_MS = 1000
/** The best rank of background classes. */
const BACKGROUND_RANK = 2 * RANKS_PER_CLASS
/** People's streams that write this part of what the cap does leave nothing to background ones. */
const ENOUGH_SHARE = 0.9

/** Tokens of a prompt that one step reads. */
export interface Piece {
  ticket: SimTicket
  tokens: number
}

export const isBackground = ({ rank }: { rank: number }) => rank >= BACKGROUND_RANK

/**
 * Shares the tokens of a step among prompts, in their order.
 * @param best prompts of worse ranks together have at most an eighth of the tokens
 * @param worst prompts of worse ranks have none
 */
export function piecesOf(
  prompts: readonly SimTicket[],
  tokensMax: number,
  best = Number.POSITIVE_INFINITY,
  worst = best,
): Piece[] {
  const pieces: Piece[] = []
  let left = tokensMax
  let isBeyond = false
  for (const ticket of prompts) {
    if (ticket.rank > best && !isBeyond) {
      left = Math.min(left, Math.floor(tokensMax * NEXT_RANKS_SHARE))
      isBeyond = true
    }
    if (left === 0 || ticket.rank > worst) break
    const tokens = Math.min(left, ticket.unread)
    pieces.push({ ticket, tokens })
    left -= tokens
  }
  return pieces
}

export const tokensOf = (pieces: readonly Piece[]): number =>
  pieces.reduce((total, { tokens }) => total + tokens, 0)

/**
 * Streams that take turns with prompts of this rank where steps read or write: all where a stream
 * of people ranks as high as the prompt, and those that were aside for too long; but background
 * ones not while a prompt of people is unread.
 */
export function inTurnWith(
  best: number,
  streams: readonly SimTicket[],
  nowMs: number,
): SimTicket[] {
  const isShared = streams.some((stream) => stream.rank <= best && !isBackground(stream))
  const mayStep = (stream: SimTicket) =>
    isShared && (isBackground({ rank: best }) || !isBackground(stream))
  return streams.filter((one) => mayStep(one) || nowMs - one.lastTokenMs > YIELD_MS_MAX)
}

/** How long background prompts are read between two tokens of streams that step for so long. */
export const backgroundTurnMs = (stepMs: number): number =>
  Math.max(BACKGROUND_TURN.msMin, BACKGROUND_TURN.steps * stepMs)

/** True where one of these background prompts has waited so long that short turns are too few. */
export const isAnyOverdue = (prompts: readonly SimTicket[], nowMs: number): boolean =>
  prompts.some(({ dispatchedMs = nowMs }) => nowMs - dispatchedMs > YIELD_MS_MAX)

/** The fewest streams that write nearly as many tokens a second as the cap does. */
export function enoughStreams(profile: EngineProfile): number {
  const rate = (streams: number) => streams / decodeStepMs(profile, streams)
  const goal = ENOUGH_SHARE * rate(profile.cap)
  for (let streams = 1; streams < profile.cap; streams++) if (rate(streams) >= goal) return streams
  return profile.cap
}

/**
 * Streams of the next step: beyond so many those of worse classes stand aside, and where people's
 * leave nearly nothing of a step, background ones wait.
 */
export function withinRoom(
  streams: readonly SimTicket[],
  { room, enough, nowMs }: { room: number; enough: number; nowMs: number },
): readonly SimTicket[] {
  const people = streams.filter((stream) => !isBackground(stream)).length
  const isOverdue = (one: SimTicket) => isBackground(one) && nowMs - one.lastTokenMs > YIELD_MS_MAX
  const places = people < enough ? room : Math.min(room, people + streams.filter(isOverdue).length)
  if (streams.length <= places) return streams.slice()
  const best = Math.min(...streams.map(classOf))
  const isDue = (stream: SimTicket) => (nowMs - stream.lastTokenMs > TURN_MS ? 0 : 1)
  const others = streams
    .filter((stream) => classOf(stream) > best)
    .sort((a, b) => classOf(a) - classOf(b) || isDue(a) - isDue(b) || a.order - b.order)
  const aside = new Set(others.slice(Math.max(0, others.length - (streams.length - places))))
  return streams.filter((stream) => !aside.has(stream))
}

/** Steps alike until a long prompt has a piece less than a whole one left. */
export function stepsOfOnePiece([first, second]: readonly Piece[], chunk: number): number {
  const isOneLong = first !== undefined && second === undefined && first.tokens === chunk
  return isOneLong ? Math.min(REPORT_TOKENS, Math.floor(first.ticket.unread / chunk)) : 1
}

const classOf = ({ rank }: SimTicket) => Math.floor(rank / RANKS_PER_CLASS)

/** The worst rank of the class that this rank is of. */
export const worstOfClass = (rank: number) =>
  (Math.floor(rank / RANKS_PER_CLASS) + 1) * RANKS_PER_CLASS - 1

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
