/** What a batch is doing, in sentences; computed from its view, nothing is drawn here. */
import type { BatchStatusName, BatchView } from '../api/contract.ts'
import { compact, count, duration, plural } from '../units.ts'
import { donePercent, endedLines, pace, standingWords, timeInWords } from './batch-words.ts'

export const statusWords: Record<BatchStatusName, { words: string; look: string; note: string }> = {
  validating: { words: 'validating', look: 'text-soft', note: 'Its input is read line by line' },
  in_progress: { words: 'in progress', look: 'text-ink', note: 'Its lines run as room is free' },
  finalizing: { words: 'finalizing', look: 'text-ink', note: 'Its files are being written' },
  completed: { words: 'completed', look: 'text-ink', note: 'Every line has its end' },
  failed: { words: 'failed', look: 'text-bad', note: 'Its input, or what it needs, was not right' },
  expired: { words: 'expired', look: 'text-warn', note: 'Its window ended before its last line' },
  cancelling: {
    words: 'cancelling',
    look: 'text-warn',
    note: 'What runs is cut, files are written',
  },
  cancelled: { words: 'cancelled', look: 'text-soft', note: 'Stopped; what was done is kept' },
}

export const isUnderWay = ({ endedAt }: BatchView): boolean => endedAt === null

export const canBeCancelled = ({ status }: BatchView): boolean =>
  status === 'validating' || status === 'in_progress'

/** True while lines cannot go on, for the reason that the batch names. */
export const isWaiting = ({ status, reason }: BatchView): boolean =>
  status === 'in_progress' && reason !== null

/** What stands, or stood, in the way of its end; null where nothing does. */
export function riskOf(batch: BatchView): string | null {
  if (isWaiting(batch)) return `Lines wait: ${batch.reason}`
  return isUnderWay(batch) ? standingWords[batch.forecast.standing] : batch.reason
}

/** @param who the tenant's name */
export function batchSentence(batch: BatchView, who: string, nowMs: number): string {
  const { status, lines, forecast, errors, endedAt, startedAt } = batch
  const of = `${count(endedLines(batch))} of ${plural(lines.total, 'line')}`
  const subject = `A batch of ${who}`
  switch (status) {
    case 'validating':
      return `${subject} is being checked line by line; it begins once all of it is right.`
    case 'in_progress':
      return `${subject} is ${donePercent(batch)} done: ${of}${endOf(forecast, nowMs)}.`
    case 'finalizing':
      return `${subject} is about to end with ${of} run; its files are being written.`
    case 'cancelling':
      return `${subject} is being cancelled; ${of} have their end.`
    case 'completed': {
      const ms = Date.parse(endedAt ?? '') - Date.parse(startedAt ?? '')
      const time = Number.isFinite(ms) ? ` in ${duration(ms)}` : ''
      const bad = lines.failed === 0 ? 'all answered' : `${count(lines.failed)} of them failed`
      return `${subject} is done: ${plural(lines.total, 'line')}${time}, ${bad}.`
    }
    case 'failed':
      return lines.total === 0
        ? `${subject} was refused for ${plural(errors.length, 'error')}; no line was run.`
        : `${subject} failed with ${of} answered.`
    case 'expired':
      return `${subject} ran out of time: ${of} had an answer when its window closed.`
    case 'cancelled':
      return `${subject} was cancelled with ${of} answered.`
  }
}

function endOf({ linesPerS, endsAt }: BatchView['forecast'], nowMs: number): string {
  const speed = linesPerS === null ? '' : ` at ${pace(linesPerS)}`
  if (endsAt === null) return `${speed}; its end cannot be told yet`
  return `${speed}, expected to end at ${timeInWords(endsAt, nowMs)}`
}

/** @param isFiltered whether only some of the batches were asked for */
export function listSentence(
  batches: readonly BatchView[] | undefined,
  isFiltered: boolean,
  nowMs: number,
): string {
  if (batches === undefined) return 'Looking up the batches.'
  const [newest] = batches
  if (newest === undefined) {
    return isFiltered ? 'No batch is like that.' : 'No batch has been made yet.'
  }
  const open = batches.filter(isUnderWay)
  if (open.length === 0) {
    const last = batches.reduce((a, b) => ((a.endedAt ?? '') > (b.endedAt ?? '') ? a : b))
    const age = duration(Math.max(0, nowMs - Date.parse(last.endedAt ?? last.createdAt)))
    const none = isFiltered ? 'None of these batches is' : 'No batch is'
    return `${none} under way; the last one ended ${age} ago, ${statusWords[last.status].words}.`
  }
  const total = open.reduce((sum, { lines }) => sum + lines.total, 0)
  const done = open.reduce((sum, batch) => sum + endedLines(batch), 0)
  const linesPerS = open.reduce((sum, { forecast }) => sum + (forecast.linesPerS ?? 0), 0)
  const speed = linesPerS === 0 ? '' : ` at ${pace(linesPerS)}`
  const verb = open.length === 1 ? 'is' : 'are'
  const work = total === 0 ? '' : `: ${compact(done)} of ${compact(total)} lines done${speed}`
  const late = open.filter(({ forecast }) => forecast.standing !== 'on_time').length
  const risk = late === 0 ? '' : ` ${late === 1 ? 'One' : late} may miss its window.`
  return `${plural(open.length, 'batch', 'batches')} ${verb} under way${work}.${risk}`
}
