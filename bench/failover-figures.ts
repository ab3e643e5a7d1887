/** What the calls of chaos `failover` come to. Pure. */
import { percentile } from './quantiles.ts'

/** One request as its client saw it. */
export interface FailoverCall {
  /** When it was sent, from the beginning of its phase. */
  atMs: number
  totalMs: number
  text: string
  /** What its prompt is answered with; null while that is being learnt. */
  expected: string | null
  error: string | null
}

export interface FaultFigures {
  name: string
  requests: number
  /** Requests sent to engines, for each that a client sent. */
  attemptsPerRequest: number
  /** Refused or broken before the client had a byte of the answer. */
  errorsBeforeByte: number
  /** Broken after it, each with a beginning of the right answer. */
  cutAfterByte: number
  /** Answers, or beginnings, that are not what the prompt is answered with. */
  mixed: number
  p50Ms: number
  p99Ms: number
  /** Of those sent ten seconds and more after the fault began; null where there are none. */
  p99After10sMs: number | null
  /** Of the phase without a fault just before, once that had settled. */
  beforeP99Ms: number
  /** The former ÷ the latter. */
  p99After10sOverBefore: number | null
  /** When p99 of the last five seconds was within 1.5 × of before again, from the fault on. */
  backAfterS: number | null
  /** After the fault has ended. */
  recoveredP99Ms: number
  firstErrors: string[]
  /** What clients got and should have got, of the first that are mixed. */
  firstMixed: { text: string; expected: string | null; error: string | null }[]
}

const WINDOW_MS = 5000
const SETTLED_MS = 10_000
const NEAR = 1.5

export function figuresOf(
  name: string,
  given: {
    /** Of the phase without a fault just before. */
    before: readonly FailoverCall[]
    calls: readonly FailoverCall[]
    after: readonly FailoverCall[]
    attempts: number
  },
): FaultFigures {
  const { before, calls, after, attempts } = given
  const all = [...calls, ...after]
  const early = all.filter(({ error, text }) => error !== null && text === '')
  const late = calls.filter(({ atMs }) => atMs >= SETTLED_MS)
  const beforeP99Ms = p99(settled(before))
  const p99After10sMs = late.length === 0 ? null : p99(late)
  return {
    name,
    requests: calls.length,
    attemptsPerRequest: attempts / calls.length,
    errorsBeforeByte: early.length,
    cutAfterByte: all.filter(({ error, text }) => error !== null && text !== '').length,
    mixed: all.filter(isMixed).length,
    p50Ms: percentile(timesOf(calls), 0.5),
    p99Ms: p99(calls),
    p99After10sMs,
    beforeP99Ms,
    p99After10sOverBefore: p99After10sMs === null ? null : p99After10sMs / beforeP99Ms,
    backAfterS: backAfterS(calls, beforeP99Ms),
    recoveredP99Ms: p99(after),
    firstMixed: all
      .filter(isMixed)
      .slice(0, 3)
      .map(({ text, expected, error }) => ({ text, expected, error })),
    firstErrors: [...new Set(early.map(({ error }) => error ?? ''))].slice(0, 3),
  }
}

const timesOf = (calls: readonly FailoverCall[]) => calls.map(({ totalMs }) => totalMs)
const p99 = (calls: readonly FailoverCall[]) => percentile(timesOf(calls), 0.99)

/** Those sent once ten seconds of their phase had gone; all where it was shorter. */
function settled(calls: readonly FailoverCall[]): readonly FailoverCall[] {
  const late = calls.filter(({ atMs }) => atMs >= SETTLED_MS)
  return late.length > 0 ? late : calls
}

/** A whole answer must be the expected one, a cut one a beginning of it. */
function isMixed({ text, expected, error }: FailoverCall): boolean {
  if (expected === null) return false
  return error === null ? text !== expected : !expected.startsWith(text)
}

/** The first whole second from which on every window of five seconds is near before. */
function backAfterS(calls: readonly FailoverCall[], beforeP99Ms: number): number | null {
  const endMs = Math.max(...calls.map(({ atMs }) => atMs))
  let back: number | null = null
  for (let fromMs = 0; fromMs + WINDOW_MS <= endMs; fromMs += 1000) {
    const window = calls.filter(({ atMs }) => atMs >= fromMs && atMs < fromMs + WINDOW_MS)
    const isNear = window.length > 0 && p99(window) <= NEAR * beforeP99Ms
    if (!isNear) back = null
    else back ??= fromMs / 1000
  }
  return back
}
