/** Following a batch until it has ended, through restarts of the server. */
import { GristmillError } from '../base/index.ts'
import type { BatchClient, BatchSight } from './batch-client.ts'
import { errorLines, liveLines, progressOf, shareOf, statusOf } from './batch-text.ts'
import { ServerError } from './client.ts'
import { type CliContext, ExitWith, show } from './context.ts'
import { printable } from './terminal.ts'
import { count, duration } from './units.ts'

const LOOK_EVERY_MS = 1000
/** How long a server may be away before the watch ends; the batch goes on when it is back. */
const PATIENCE_MS = 300_000
/** Where lines stay: a line at every tenth, and when nothing was said for so long. */
const STEPS = 10
const SILENCE_MS = 60_000
const EXIT_INTERRUPTED = 130

/**
 * Shows how far a batch is until it has ended, then what came of it.
 * @throws ExitWith 1 where it failed, expired or was cancelled, 130 where the watch was interrupted
 */
export async function watchBatch(
  context: CliContext,
  batches: BatchClient,
  id: string,
  flags: { json?: true },
): Promise<void> {
  const interrupt = new AbortController()
  const onSignal = () => interrupt.abort()
  process.once('SIGINT', onSignal)
  process.once('SIGTERM', onSignal)
  try {
    const batch = await follow(context, batches, id, interrupt.signal)
    if (batch === undefined) {
      context.terminal.note(`The batch goes on. Look again: gristmill batch watch ${printable(id)}`)
      throw new ExitWith(EXIT_INTERRUPTED)
    }
    show(context, flags, batch, () => tellEnd(context, batch))
    if (batch.status !== 'completed') throw new ExitWith(1)
  } finally {
    process.off('SIGINT', onSignal)
    process.off('SIGTERM', onSignal)
  }
}

/** The batch once it has ended; undefined where the watch ended before. */
async function follow(
  context: CliContext,
  batches: BatchClient,
  id: string,
  signal: AbortSignal,
): Promise<BatchSight | undefined> {
  const { clock, terminal } = context
  const tell = liveView(context)
  let batch = await batches.get(id)
  let seenMs = clock.monotonicMs()
  while (batch.endedAt === null && !signal.aborted) {
    tell(batch)
    await clock.sleep(LOOK_EVERY_MS, signal).catch((error: unknown) => {
      if (!signal.aborted) throw error
    })
    try {
      batch = await batches.get(id)
      seenMs = clock.monotonicMs()
    } catch (error) {
      if (!isPassing(error) || clock.monotonicMs() - seenMs > PATIENCE_MS) throw error
      terminal.status('The server does not answer; the batch goes on when it is back.')
    }
  }
  if (batch.endedAt === null) return undefined
  tell(batch)
  return batch
}

/** A server that starts again is away for a moment, or cuts an answer off. */
function isPassing(error: unknown): boolean {
  if (error instanceof ServerError) return error.status === 429 || error.status >= 500
  if (error instanceof GristmillError) return error.code === 'no_server'
  return error instanceof TypeError
}

function liveView({ terminal, clock }: CliContext): (batch: BatchSight) => void {
  let shown = ''
  let shownMs = 0
  return (batch) => {
    const step = `${batch.status} ${Math.floor(shareOf(batch) * STEPS)}`
    const nowMs = clock.monotonicMs()
    if (!terminal.isTerminal && step === shown && nowMs - shownMs < SILENCE_MS) return
    shown = step
    shownMs = nowMs
    terminal.status(...liveLines(batch, clock.nowMs()))
  }
}

function tellEnd({ terminal }: CliContext, batch: BatchSight): void {
  const { id, tokens, createdAt, endedAt } = batch
  const tookMs = new Date(endedAt ?? createdAt).getTime() - new Date(createdAt).getTime()
  const why = batch.reason === null ? '' : ` ${batch.reason}`
  terminal.print(`${id} is ${statusOf(batch)} after ${duration(tookMs)}.${why}`)
  for (const text of errorLines(terminal, batch)) terminal.print(text)
  if (batch.outputFileId === null && batch.errorFileId === null) return
  const spent = `${count(tokens.input)} tokens in, ${count(tokens.output)} out`
  terminal.print(`${progressOf(batch)}; ${spent}.`)
  terminal.note(`Next: gristmill batch results ${id} --output answers.jsonl --errors errors.jsonl`)
}
