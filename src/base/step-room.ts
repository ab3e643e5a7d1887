/** Which streams of those that could take a step do: people first, background work in the rest. */
import { RANKS_PER_CLASS } from './service-class.ts'
import type { StepCandidate } from './step-plan.ts'

export interface StepRoom {
  /** Streams of one step at most, while some are of a better class: the worst stand aside. */
  room: number
  /** That many streams of people get nearly as much done as a full step: they step alone. */
  enough: number
  /** Longest time that a stream stands aside for better-ranked ones, milliseconds. */
  yieldMsMax: number
}

/** Milliseconds of the clock that `lastStepMs` is of. */
type At = { nowMs: number }

/** Ranks of background work, for which nobody waits, begin with those of its best class. */
const BACKGROUND_RANK = 2 * RANKS_PER_CLASS
/** Streams between two neighbours that cost no more than the pass that they spare. */
const GAP_MAX = 2
/** After this long aside a stream goes before others of its class. */
const TURN_MS = 1000

const classOf = ({ rank }: { rank: number }) => Math.floor(rank / RANKS_PER_CLASS)
/** True where nobody waits for it. */
export const isBackground = ({ rank }: { rank: number }) => rank >= BACKGROUND_RANK

/**
 * Those that step: all of the best class, and of the others as many as there is room for. Of equal
 * ones the farthest from the best class stand aside, so that those who step are neighbours; and
 * where only a few stand between two neighbours, they come along, for a pass around them costs as
 * much as they do.
 * @param streams in the order of their sequences
 */
export function withinRoom<C extends StepCandidate>(streams: C[], limits: StepRoom & At): C[] {
  const room = roomFor(streams, limits)
  if (streams.length <= room) return streams
  const classes = streams.map(classOf)
  const best = classes.reduce((least, one) => Math.min(least, one))
  const distances = distancesTo(best, streams, classes)
  const others = streams
    .map((stream, at) => ({
      at,
      class: classes[at] as number,
      isDue: limits.nowMs - stream.lastStepMs > TURN_MS,
      distance: distances[at] as number,
    }))
    .filter((one) => one.class > best)
    .sort(
      (a, b) => b.class - a.class || Number(a.isDue) - Number(b.isDue) || b.distance - a.distance,
    )
  const isAside = streams.map(() => false)
  for (const { at } of others.slice(0, streams.length - room)) isAside[at] = true
  for (const at of between(streams, isAside)) isAside[at] = false
  return streams.filter((_, at) => !isAside[at])
}

/** From each stream to the nearest one of a class, in sequences. */
function distancesTo(
  best: number,
  streams: readonly StepCandidate[],
  classes: readonly number[],
): number[] {
  const distances = streams.map(() => Number.POSITIVE_INFINITY)
  const look = (at: number, from: number) => {
    const { index } = streams[at] as StepCandidate
    const nearest = classes[at] === best ? index : from
    distances[at] = Math.min(distances[at] as number, Math.abs(index - nearest))
    return nearest
  }
  let nearest = Number.NEGATIVE_INFINITY
  for (let at = 0; at < streams.length; at++) nearest = look(at, nearest)
  nearest = Number.POSITIVE_INFINITY
  for (let at = streams.length - 1; at >= 0; at--) nearest = look(at, nearest)
  return distances
}

/**
 * Background work fills what people leave of a step; where they leave nearly nothing it waits, as
 * they would be slower for it than it gains, but no longer than `yieldMsMax`.
 */
function roomFor(streams: readonly StepCandidate[], limits: StepRoom & At): number {
  const { room, enough, yieldMsMax, nowMs } = limits
  let [people, overdue] = [0, 0]
  for (const stream of streams) {
    if (!isBackground(stream)) people++
    else if (nowMs - stream.lastStepMs > yieldMsMax) overdue++
  }
  return people < enough ? room : Math.min(room, people + overdue)
}

/**
 * Those aside of which at most a few stand in a row between two that step, with no idle one; where
 * they stand among the streams.
 */
function between(streams: readonly StepCandidate[], isAside: readonly boolean[]): number[] {
  const found: number[] = []
  let [row, last]: [number[], StepCandidate | undefined] = [[], undefined]
  for (const [at, stream] of streams.entries()) {
    if (isAside[at]) {
      row.push(at)
      continue
    }
    const isUnbroken = last !== undefined && stream.index - last.index === row.length + 1
    if (isUnbroken && row.length <= GAP_MAX) found.push(...row)
    row = []
    last = stream
  }
  return found
}
