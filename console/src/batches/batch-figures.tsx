/** The four figures of a batch: done, pace, end, tokens; each with what it rests on. */
import type { BatchView } from '../api/contract.ts'
import { Figure, Figures } from '../parts/figure.tsx'
import { compact, count, duration, plural, rate } from '../units.ts'
import { isUnderWay } from './batch-sentences.ts'
import { doneShare, endedLines, hasGivenUp, timeInWords } from './batch-words.ts'

export interface BatchFiguresProps {
  batch: BatchView
  isStale: boolean
  nowMs: number
}

export function BatchFigures({ batch, isStale, nowMs }: BatchFiguresProps) {
  const { lines, tokens } = batch
  const known = lines.total > 0
  const failed = lines.failed === 0 ? 'none failed' : `${count(lines.failed)} failed`
  const rest = hasGivenUp(batch) ? `${failed}, the rest was not run` : failed
  return (
    <Figures isStale={isStale}>
      <Figure
        label="Done"
        value={known ? String(Math.floor(doneShare(batch) * 100)) : null}
        unit="%"
        basis={
          known
            ? `${count(endedLines(batch))} of ${plural(lines.total, 'line')}, ${rest}`
            : batch.endedAt === null
              ? 'its lines are being counted'
              : 'its input was never counted'
        }
        definition="Lines with an answer or an error of their own, of all lines of the input; of a batch that gave up, those with an answer"
      />
      <Pace batch={batch} />
      <End batch={batch} nowMs={nowMs} />
      <Figure
        label="Tokens charged"
        value={compact(tokens.input + tokens.output)}
        unit="tokens"
        basis={`${compact(tokens.input)} in, ${compact(tokens.cached)} of them cached · ${compact(tokens.output)} out`}
        definition="Over the answers that are stored; a line is charged once, with its answer"
      />
    </Figures>
  )
}

/** While it runs, of the last minute; afterwards over all of its time. */
function Pace({ batch }: { batch: BatchView }) {
  const { forecast, startedAt, endedAt } = batch
  const spanMs = startedAt && endedAt ? Date.parse(endedAt) - Date.parse(startedAt) : null
  const mean = spanMs === null || spanMs <= 0 ? null : (endedLines(batch) * 1000) / spanMs
  const linesPerS = isUnderWay(batch) ? forecast.linesPerS : mean
  const isSlow = linesPerS !== null && linesPerS < 0.1
  const basis = isUnderWay(batch)
    ? forecast.basis
    : spanMs === null
      ? 'no line was run'
      : `over all of its ${duration(spanMs)}`
  return (
    <Figure
      label={isUnderWay(batch) ? 'Pace, last minute' : 'Pace'}
      value={linesPerS === null ? null : rate(isSlow ? linesPerS * 3600 : linesPerS)}
      unit={isSlow ? 'lines/h' : 'lines/s'}
      basis={basis}
      definition="Lines that ended ÷ seconds; background work goes as fast as others leave room"
    />
  )
}

function End({ batch, nowMs }: { batch: BatchView; nowMs: number }) {
  const { forecast, endedAt, expiresAt } = batch
  const window = `window until ${timeInWords(expiresAt, nowMs)}`
  if (endedAt !== null) {
    return (
      <Figure
        label="Ended"
        value={timeInWords(endedAt, nowMs)}
        basis={`${duration(Date.parse(endedAt) - Date.parse(batch.createdAt))} after it was made`}
        definition="When its files were there to be fetched"
      />
    )
  }
  const { endsAt } = forecast
  const leftMs = endsAt === null ? null : Math.max(0, Date.parse(endsAt) - nowMs)
  return (
    <Figure
      label="Expected end"
      value={endsAt === null ? null : timeInWords(endsAt, nowMs)}
      basis={leftMs === null ? window : `in about ${duration(leftMs)} · ${window}`}
      definition={`Lines left ÷ pace of the last minute. ${forecast.basis}`}
    />
  )
}
