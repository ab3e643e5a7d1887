/**
 * Lanes of a batch: the lines of one model, with the window and the pace that are theirs. A model
 * that is slow or away holds up its own lines and no others.
 */
import { BatchPace, type Forecast } from './batch-pace.ts'
import type { BatchRow } from './batch-types.ts'
import type { FileLine } from './file-types.ts'
import { isBlank, modelIn } from './line-format.ts'

/** What the pool could do for a model. */
export interface Room {
  /** Sequences that engines run at once. */
  slots: number
  /** Service units per second if they did nothing else; null where nobody knows. */
  capacityUnitsPerS: number | null
  /** Units of a token. */
  cost: { input: number; output: number }
}

/** Models beyond these share a lane. */
const LANES_MAX = 16
/** Lines kept beyond twice the slots, so that the pool does not wait for the database. */
const SPARE_LINES = 8
/** Lines looked at between two turns of the event loop. */
const LINES_PER_TURN = 1000

const UNKNOWN: Forecast = {
  remaining: 0,
  linesPerS: null,
  endsAtMs: null,
  basis: 'It has not begun.',
  standing: 'on_time',
}

export class Lane {
  /** null where its lines may name several. */
  readonly model: string | null
  readonly pace = new BatchPace()
  /** Lines that have no end. */
  remaining = 0
  /** Lines in flight, and the bytes of their bodies. */
  size = 0
  heldBytes = 0
  /** Of those, lines that stand aside. */
  aside = 0
  /** False while all its lines in flight wait for their next try. */
  isMoving = true
  room: Room = { slots: 1, capacityUnitsPerS: null, cost: { input: 1, output: 2 } }
  forecast = UNKNOWN

  constructor(model: string | null) {
    this.model = model
  }

  get isLate(): boolean {
    return this.forecast.standing === 'late'
  }

  /** True while one more may wait for an engine; those that stand aside do not. */
  get hasPlace(): boolean {
    return this.size - this.aside < 2 * this.room.slots + SPARE_LINES
  }

  /** Lines have come into flight, or have left it. */
  count(lines: number, bytes: number): void {
    this.size += lines
    this.heldBytes += bytes
  }

  foresee(batch: BatchRow, nowMs: number, room: Room): void {
    const { createdAt, expiresAt } = batch
    this.room = room
    this.forecast = this.pace.forecast({
      nowMs,
      expiresAtMs: expiresAt.getTime(),
      windowMs: expiresAt.getTime() - createdAt.getTime(),
      remaining: this.remaining,
      aloneLinesPerS: aloneLinesPerS(batch, room),
    })
  }
}

/** From the lines of the batch so far and what the engines can do at most. */
function aloneLinesPerS(batch: BatchRow, { capacityUnitsPerS, cost }: Room): number | null {
  const { linesCompleted, inputTokens, cachedTokens, outputTokens } = batch
  const units = (inputTokens - cachedTokens) * cost.input + outputTokens * cost.output
  if (capacityUnitsPerS === null || units === 0) return null
  return (capacityUnitsPerS * linesCompleted) / units
}

export class Lanes {
  /** At least one. */
  readonly all: readonly Lane[]
  readonly #at: (place: number) => Lane | undefined

  private constructor(all: readonly Lane[], at: (place: number) => Lane | undefined) {
    this.all = all
    this.#at = at
  }

  /** One for all lines. @param ended lines that have their end; undefined: as the batch counts */
  static one(batch: BatchRow, ended?: ReadonlySet<number>): Lanes {
    const { linesTotal, linesCompleted, linesFailed } = batch
    const lane = new Lane(batch.model)
    lane.remaining = linesTotal - (ended?.size ?? linesCompleted + linesFailed)
    return new Lanes([lane], () => lane)
  }

  /**
   * One for each model that lines name.
   * @param turn lets others go on
   */
  static async byModel(
    batch: BatchRow,
    ended: ReadonlySet<number>,
    lines: AsyncIterable<FileLine>,
    { turn, mustEnd }: { turn: () => Promise<void>; mustEnd: () => boolean },
  ): Promise<Lanes> {
    const lanes: Lane[] = []
    const known = new Map<string | null, number>()
    const indexes = new Uint8Array(batch.linesTotal)
    let place = 0
    for await (const line of lines) {
      if (mustEnd()) break
      if (isBlank(line)) continue
      const model = modelIn(line)
      const index = known.get(model) ?? openedFor(model, lanes)
      known.set(model, index)
      indexes[place++] = index
      if (!ended.has(line.number)) (lanes[index] as Lane).remaining++
      if (place % LINES_PER_TURN === 0) await turn()
    }
    if (lanes.length === 0) return Lanes.one(batch, ended)
    return new Lanes(lanes, (at) => lanes[indexes[at] ?? 0])
  }

  /** @param place of a line among those that are not blank, from 0 */
  at(place: number): Lane | undefined {
    return this.#at(place)
  }

  /** True while a lane may take another line; what the batch may have is shared by its lanes. */
  hasRoom(lane: Lane, linesMax: number, bytesMax: number): boolean {
    const heldBytes = this.all.reduce((sum, one) => sum + one.heldBytes, 0)
    if (heldBytes >= bytesMax) return false
    if (lane.size === 0) return true
    const { length } = this.all
    const hasShare = lane.size < linesMax / length && lane.heldBytes < bytesMax / length
    return hasShare && lane.hasPlace
  }

  /** Tells lanes apart whose lines in flight all wait for their next try. */
  moving(outstanding: Iterable<{ lane: Lane; retry: unknown }>): void {
    for (const lane of this.all) lane.isMoving = lane.size === 0
    for (const { lane, retry } of outstanding) lane.isMoving ||= retry === null
  }

  /** True where none gets anywhere. */
  get isStuck(): boolean {
    return this.all.every((lane) => lane.remaining === 0 || isStuck(lane))
  }

  /** How the batch goes: it ends with the last of its lanes. */
  foresee(batch: BatchRow, nowMs: number, roomFor: (model: string | null) => Room): Forecast {
    for (const lane of this.all) lane.foresee(batch, nowMs, roomFor(lane.model))
    const open = this.all.filter(({ remaining }) => remaining > 0)
    const last = (open.length === 0 ? this.all : open).reduce((a, b) =>
      endOf(b) > endOf(a) ? b : a,
    )
    if (open.length < 2) return last.forecast
    const speeds = open.flatMap(({ forecast }) => forecast.linesPerS ?? [])
    const { endsAtMs, basis } = last.forecast
    return {
      remaining: open.reduce((sum, { remaining }) => sum + remaining, 0),
      linesPerS: speeds.length === 0 ? null : speeds.reduce((sum, speed) => sum + speed, 0),
      endsAtMs,
      basis: last.model === null ? basis : `${last.model}: ${basis}`,
      standing: worstOf(open.map(({ forecast }) => forecast.standing)),
    }
  }
}

/** A lane for a model; those that come late share the last one. */
function openedFor(model: string | null, lanes: Lane[]): number {
  if (lanes.length === LANES_MAX) return LANES_MAX - 1
  const isShared = lanes.length === LANES_MAX - 1
  return lanes.push(new Lane(isShared ? null : model)) - 1
}

const isStuck = ({ isMoving, room, forecast }: Lane) =>
  !isMoving || room.slots === 0 || forecast.standing === 'hopeless'

const endOf = ({ forecast }: Lane) => forecast.endsAtMs ?? Number.POSITIVE_INFINITY

function worstOf(standings: readonly Forecast['standing'][]): Forecast['standing'] {
  if (standings.includes('hopeless')) return 'hopeless'
  return standings.includes('late') ? 'late' : 'on_time'
}
