/** A statement as CSV: one table for all its lines, so that a sheet can sum it up. */
import { csvRecord } from '../meter/index.ts'
import type { StatementDetailView } from './contract.ts'

const COLUMNS = [
  'statement',
  'tenant',
  'from',
  'to',
  'currency',
  'section',
  'what',
  'detail',
  'requests',
  'inputTokens',
  'outputTokens',
  'engineSeconds',
  'amount',
  'counts',
]

/** `counts` is whether an amount is part of the total; the others are told beside it. */
export function statementCsv(view: StatementDetailView): string {
  const { number, tenantName, fromAt, toAt, currency, content, corrects, total } = view
  const head = [number, tenantName, fromAt, toAt, currency]
  const none = ['', '', '', '']
  if (content === null) {
    const note = ['credit note', `statement ${corrects}`, view.reason, ...none, total, 'yes']
    return csvRecord(COLUMNS) + csvRecord([...head, ...note])
  }
  const { basis, costs, overflow, usage, discounts, credit } = content
  const [cost, use] = basis === 'cost' ? ['yes', 'no'] : ['no', 'yes']
  const rows = [
    ...costs.map((line) => {
      const detail = [line.kind, line.cause].filter(Boolean).join(' ')
      return ['engine', line.engineId, detail, '', '', '', line.engineS, line.amount, cost]
    }),
    ...overflow.map((line) => {
      const { target, model, requests, inputTokens, outputTokens, amount } = line
      return ['overflow', target, model, requests, inputTokens, outputTokens, '', amount, cost]
    }),
    ...usage.map((line) => {
      const { projectId, model, serviceClass, requests, inputTokens, outputTokens, charge } = line
      const what = [model, `${projectId} ${serviceClass}`]
      return ['usage', ...what, requests, inputTokens, outputTokens, '', charge, use]
    }),
    ...(discounts?.lines ?? []).map(({ kind, month, method, amount }) => {
      return [kind, month, method, ...none, amount, use]
    }),
    ...Object.entries(credit ?? {})
      .filter(([, amount]) => amount !== '0')
      .map(([what, amount]) => ['credit', what, '', ...none, amount, 'no']),
  ]
  return [COLUMNS, ...rows.map((row) => [...head, ...row])].map(csvRecord).join('')
}
