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

/** The best class of background work, for which nobody waits. */
const BACKGROUND_CLASS = 2
/** Streams between two neighbours that cost no more than the pass that they spare. */
const GAP_MAX = 2
/** After this long aside a stream goes before others of its class. */
const TURN_MS = 1000

const classOf = ({ rank }: { rank: number }) => Math.floor(rank / RANKS_PER_CLASS)
/** True where nobody waits for it. */
export const isBackground = (one: { rank: number }) => classOf(one) >= BACKGROUND_CLASS

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
  const best = Math.min(...streams.map(classOf))
  const near = streams.filter((stream) => classOf(stream) === best)
  const others = streams
    .filter((stream) => classOf(stream) > best)
    .map((stream) => ({
      stream,
      isDue: limits.nowMs - stream.lastStepMs > TURN_MS,
      distance: Math.min(...near.map(({ index }) => Math.abs(index - stream.index))),
    }))
    .sort(
      (a, b) =>
        classOf(b.stream) - classOf(a.stream) ||
        Number(a.isDue) - Number(b.isDue) ||
        b.distance - a.distance,
    )
  const aside = new Set(others.slice(0, streams.length - room).map(({ stream }) => stream))
  for (const stream of between(streams, aside)) aside.delete(stream)
  return streams.filter((stream) => !aside.has(stream))
}

/**
 * Background work fills what people leave of a step; where they leave nearly nothing it waits, as
 * they would be slower for it than it gains, but no longer than `yieldMsMax`.
 */
function roomFor(streams: readonly StepCandidate[], limits: StepRoom & At): number {
  const { room, enough, yieldMsMax, nowMs } = limits
  const background = streams.filter(isBackground)
  const people = streams.length - background.length
  if (people < enough) return room
  const overdue = background.filter(({ lastStepMs }) => nowMs - lastStepMs > yieldMsMax).length
  return Math.min(room, people + overdue)
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
