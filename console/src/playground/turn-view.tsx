/** A question, its answer, and what the answer took. */
import { memo } from 'react'
import { Link } from 'wouter'
import { ErrorNote } from '../parts/error-note.tsx'
import { count, duration, rate } from '../units.ts'
import type { Turn } from './use-chat.ts'

export const TurnView = memo(function TurnView({ turn }: { turn: Turn }) {
  const { question, answer, thoughts, state, error } = turn
  return (
    <article className="grid gap-2 border-t py-4 first:border-t-0 first:pt-0">
      <p className="max-w-[75ch] font-[560] whitespace-pre-wrap">{question}</p>
      {state === 'waiting' && <p className="text-soft">Waiting for the first token.</p>}
      {thoughts !== '' && (
        <details className="max-w-[75ch] text-soft" open={answer === ''}>
          <summary className="cursor-pointer text-[0.78rem]">
            {answer === '' ? 'It thinks before it answers' : 'What it thought before'}
          </summary>
          <div className="mt-1 text-[0.84rem] whitespace-pre-wrap">{thoughts}</div>
        </details>
      )}
      {answer !== '' && (
        <div className="max-w-[75ch] whitespace-pre-wrap" aria-live="off">
          {answer}
          {state === 'streaming' && (
            <i
              aria-hidden
              className="ml-0.5 inline-block h-[1em] w-[2px] translate-y-0.5 bg-accent"
            />
          )}
        </div>
      )}
      {state === 'failed' && <ErrorNote error={error} />}
      <Figures turn={turn} />
    </article>
  )
})

function Figures({ turn: { figures, state } }: { turn: Turn }) {
  const { requestId, queueMs, ttftMs, streamMs, outputTokens, inputTokens, cachedTokens } = figures
  const pace =
    outputTokens !== null && streamMs !== null && streamMs > 0 && outputTokens > 1
      ? (outputTokens - 1) / (streamMs / 1000)
      : null
  const units = outputTokens === null ? null : (inputTokens ?? 0) - cachedTokens + 2 * outputTokens
  const facts = [
    { name: 'first token', value: ttftMs, show: duration, note: 'Measured here, from sending' },
    { name: 'in the queue', value: queueMs, show: duration, note: 'As the gateway says' },
    {
      name: 'tokens/s',
      value: pace,
      show: rate,
      note: 'Output tokens after the first ÷ their time',
    },
    { name: 'tokens in', value: inputTokens, show: count, note: `${cachedTokens} of them cached` },
    { name: 'tokens out', value: outputTokens, show: count, note: 'As the gateway counts them' },
    { name: 'service units', value: units, show: count, note: 'Uncached in + 2 × out' },
  ].filter(({ value }) => value !== null)
  const ended = endOf(state, figures.finishReason)
  return (
    <p className="flex flex-wrap gap-x-4 gap-y-0.5 text-[0.78rem] text-soft">
      {facts.map(({ name, value, show, note }) => (
        <span key={name} title={note}>
          <b className="font-[580] text-ink">{show(value ?? 0)}</b> {name}
        </span>
      ))}
      {ended !== '' && <span>{ended}</span>}
      {requestId !== null && state !== 'waiting' && state !== 'streaming' && (
        <Link href={`/requests/${requestId}`} className="text-accent hover:underline">
          on the ledger
        </Link>
      )}
    </p>
  )
}

function endOf(state: Turn['state'], finishReason: string | null): string {
  if (state === 'stopped') return 'stopped by you; what was used so far is on the ledger'
  if (state !== 'done') return ''
  if (finishReason === 'length') return 'ended at its token limit'
  return finishReason === 'content_filter' ? 'ended by a guard' : 'ended by the model'
}
