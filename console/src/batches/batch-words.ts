/** How far a batch is and how fast it goes, in words; what the mill floor needs of them. */
import type { BatchView } from '../api/contract.ts'
import { clockTime, moment, percent, rate } from '../units.ts'

/** Whether it ended before its last line. */
export const hasGivenUp = ({ status }: BatchView): boolean =>
  status === 'cancelled' || status === 'expired' || status === 'failed'

/** Lines that have their end, good or bad; of a batch that gave up, those with an answer. */
export const endedLines = (batch: BatchView): number =>
  batch.lines.completed + (hasGivenUp(batch) ? 0 : batch.lines.failed)

/** 0 to 1. */
export const doneShare = (batch: BatchView): number =>
  batch.lines.total === 0 ? 0 : endedLines(batch) / batch.lines.total

/** Rounded down, so that nothing is called done before it is. */
export const donePercent = (batch: BatchView): string =>
  percent(Math.floor(doneShare(batch) * 100) / 100)

/** The time of day today, the date with it otherwise. */
export function timeInWords(at: string, nowMs: number): string {
  const isToday = new Date(at).toDateString() === new Date(nowMs).toDateString()
  return isToday ? clockTime(at).slice(0, 5) : moment(at)
}

export const pace = (linesPerS: number): string =>
  linesPerS < 0.1 ? `${rate(linesPerS * 3600)} lines/h` : `${rate(linesPerS)} lines/s`

export const standingWords = {
  on_time: null,
  late: 'Its window is at risk, so it goes before other batches.',
  hopeless: 'Its window cannot be kept any more; it yields to batches whose window can.',
} as const
