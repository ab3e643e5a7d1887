/** Batches in words: how far one is, when it will end and what that rests on. Asks nobody. */
import type { BatchSight } from './batch-client.ts'
import { progressBar } from './progress.ts'
import { type Column, tableLines } from './table.ts'
import { printable, type Terminal } from './terminal.ts'
import { count, duration, figure, moment, percent } from './units.ts'

export const statusOf = ({ status }: BatchSight) => status.replace('_', ' ')

export const shareOf = ({ lines: { total, completed, failed } }: BatchSight) =>
  total === 0 ? 0 : (completed + failed) / total

/** `312 of 1,000 lines (31 %), 4 failed`. */
export function progressOf(batch: BatchSight): string {
  const { total, completed, failed } = batch.lines
  if (total === 0) return 'lines are not counted yet'
  const done = `${count(completed + failed)} of ${count(total)} lines (${percent(shareOf(batch))})`
  return failed === 0 ? done : `${done}, ${count(failed)} failed`
}

/** When it is expected to end; empty for a batch that has ended. */
export function endOf({ endedAt, forecast: { endsAt } }: BatchSight, nowMs: number): string {
  if (endedAt !== null) return ''
  if (endsAt === null) return 'end not known yet'
  const leftMs = Math.max(0, new Date(endsAt).getTime() - nowMs)
  return `ends about ${moment(endsAt)} (in ${duration(leftMs)})`
}

/** The window, and what it means for the batch that it cannot be kept or hardly so. */
export function windowOf({ expiresAt, endedAt, forecast: { standing } }: BatchSight): string {
  const until = `until ${moment(expiresAt)}`
  if (endedAt !== null || standing === 'on_time') return until
  return standing === 'late'
    ? `${until}, at risk: it goes before other background work`
    : `${until}, cannot be kept: it makes room for batches that can`
}

/** How it stands, in two lines: the bar, and what the expectation rests on. */
export function liveLines(batch: BatchSight, nowMs: number): string[] {
  const { forecast } = batch
  const pace = forecast.linesPerS === null ? '' : `${figure(forecast.linesPerS)} lines/s`
  const parts = [progressOf(batch), pace, endOf(batch, nowMs)].filter(Boolean).join(', ')
  const window = forecast.standing === 'on_time' ? '' : ` Window ${windowOf(batch)}.`
  return [
    `${statusOf(batch)} ${progressBar(shareOf(batch))} ${parts}`,
    `  ${batch.reason ?? forecast.basis}${window}`,
  ]
}

/** All of one batch, a fact a line. */
export function describeBatch(terminal: Terminal, batch: BatchSight, nowMs: number): void {
  const line = (title: string, value: string) =>
    terminal.print(`${terminal.paint('dim', title.padEnd(14))} ${printable(value)}`)
  const { tokens, forecast } = batch
  line('Batch', batch.id)
  line('Status', batch.reason === null ? statusOf(batch) : `${statusOf(batch)}: ${batch.reason}`)
  line('Progress', `${progressBar(shareOf(batch))} ${progressOf(batch)}`)
  if (batch.endedAt === null) {
    line('Pace', `${figure(forecast.linesPerS)} lines/s`)
    line('Expected', `${endOf(batch, nowMs)}. ${forecast.basis}`)
  }
  line('Window', windowOf(batch))
  line('Lines ask', batch.model === null ? batch.endpoint : `${batch.endpoint} of ${batch.model}`)
  line(
    'Tokens',
    `${count(tokens.input)} in, ${count(tokens.cached)} of them cached, ${count(tokens.output)} out`,
  )
  const metadata = Object.entries(batch.metadata ?? {}).map(([key, value]) => `${key}=${value}`)
  if (metadata.length > 0) line('Metadata', metadata.join(', '))
  line('Created', moment(batch.createdAt))
  line('Began', moment(batch.startedAt))
  line('Ended', moment(batch.endedAt))
  for (const text of errorLines(terminal, batch)) terminal.print(text)
}

/** The bad lines that validation found, as a table; none where there are none. */
export function errorLines({ paint }: Terminal, { errors }: BatchSight): string[] {
  return errors.length === 0 ? [] : ['', ...tableLines(errors, errorColumns, paint)]
}

const errorColumns: Column<BatchSight['errors'][number]>[] = [
  { title: 'LINE', value: ({ line }) => count(line), align: 'right' },
  { title: 'CODE', value: ({ code }) => code },
  { title: 'WHY', value: ({ message }) => message },
]

/** Columns of a list. @param tenants names by id; empty where the caller sees only its own */
export function batchColumns(tenants: ReadonlyMap<string, string>): Column<BatchSight>[] {
  const tenant: Column<BatchSight> = {
    title: 'TENANT',
    value: ({ tenantId = '' }) => tenants.get(tenantId) ?? tenantId,
  }
  return [
    { title: 'BATCH', value: ({ id }) => id },
    ...(tenants.size > 0 ? [tenant] : []),
    { title: 'STATUS', value: statusOf },
    { title: 'LINES', value: ({ lines }) => count(lines.total), align: 'right' },
    { title: 'DONE', value: (batch) => percent(shareOf(batch)), align: 'right' },
    { title: 'FAILED', value: ({ lines }) => count(lines.failed), align: 'right' },
    { title: 'LINES/S', value: ({ forecast }) => figure(forecast.linesPerS), align: 'right' },
    { title: 'CREATED', value: ({ createdAt }) => moment(createdAt) },
    { title: 'ENDS', value: ({ endedAt, forecast }) => moment(endedAt ?? forecast.endsAt) },
    { title: 'WINDOW', value: ({ expiresAt }) => moment(expiresAt) },
  ]
}
