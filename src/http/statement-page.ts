/** A statement as a page of its own, made to be printed; it needs nothing else. */
import type { StatementDetailView } from './contract.ts'

const STYLE = `
@page { size: A4; margin: 18mm 16mm 20mm }
* { box-sizing: border-box }
body { font: 10.5pt/1.5 Inter, system-ui, sans-serif; color: #1c1a17; max-width: 178mm;
  margin: 12mm auto; font-variant-numeric: tabular-nums }
header { display: flex; justify-content: space-between; gap: 10mm; align-items: baseline;
  border-bottom: 1px solid #1c1a17; padding-bottom: 3mm }
h1 { font-size: 17pt; font-weight: 620; letter-spacing: -.01em; margin: 0 }
h2 { font-size: 11pt; font-weight: 620; margin: 8mm 0 1mm; break-after: avoid }
p { margin: 1mm 0 }
.total { font-size: 15pt; font-weight: 620; white-space: nowrap }
.soft { color: #6b655c }
table { width: 100%; border-collapse: collapse }
th, td { text-align: left; padding: 1mm 3mm 1mm 0; border-bottom: 1px solid #ddd6ca;
  vertical-align: top; overflow-wrap: anywhere }
th { font-weight: 500; color: #6b655c; font-size: 9pt }
.n { text-align: right; padding-right: 0; padding-left: 3mm; white-space: nowrap }
tr { break-inside: avoid }
tfoot td { border-bottom: 0; font-weight: 620 }
footer { margin-top: 10mm; border-top: 1px solid #ddd6ca; padding-top: 3mm; font-size: 8pt;
  color: #6b655c; overflow-wrap: anywhere; break-inside: avoid }
code { font-family: ui-monospace, monospace }
@media print { body { margin: 0; max-width: none } }`

const kinds = {
  entitled: 'Use within the share',
  borrowed: 'Use above it, lent by others',
  wasted: 'Given up by callers',
  shared: 'Part of what was nobody’s',
}

const causes: Record<string, string> = {
  free: 'free places',
  drained: 'free while draining',
  loading: 'loading',
  down: 'down',
  calibration: 'calibration',
  unmeasured: 'not measured',
  client_gone: 'client gone',
  engine_failed: 'engine failed',
}

const rules = {
  operator: 'kept by the operator',
  weight: 'shared by weight',
  use: 'shared by use',
}

/** Amounts stand as they are booked, to the nano-unit; nothing on the page is rounded. */
export function statementPage(view: StatementDetailView): string {
  const { number, kind, tenantName, tenantId, fromAt, toAt, currency, total } = view
  const title = kind === 'statement' ? `Statement ${number}` : `Credit note ${number}`
  return `<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>${title}, ${safe(tenantName)}</title>
<style>${STYLE}</style></head><body>
<header><div><h1>${title}</h1>
<p>${safe(tenantName)} <span class="soft">${safe(tenantId)}</span></p>
<p class="soft">${moment(fromAt)} to ${moment(toAt)} UTC, the end not included</p></div>
<div class="total">${total} ${safe(currency)}</div></header>
${view.correctedBy === null ? '' : `<p>Taken back by credit note ${view.correctedBy}.</p>`}
${content(view)}
<footer><p>Closed ${moment(view.closedAt)} UTC by ${safe(view.actor)}. Statements are numbered
without gaps and chained: this one’s hash is SHA-256 over the hash before it and its document, and
is signed with Ed25519. <code>gristmill ledger verify</code> proves all of them.</p>
<p>Hash <code>${view.hash}</code><br>After <code>${view.previousHash}</code><br>
Signature <code>${view.signature}</code><br>Key <code>${view.publicKey}</code></p></footer>
</body></html>
`
}

function content({ content: given, corrects, reason }: StatementDetailView): string {
  if (given === null) {
    return `<h2>Takes statement ${corrects} back</h2><p>${safe(reason ?? '')}</p>`
  }
  const { basis, costs, overflow, usage, allocation, lentS, cachedTokens, hitTokens } = given
  const isCost = basis === 'cost'
  const costTitle = isCost
    ? 'Share of what engines cost'
    : 'For information: share of what engines cost'
  const useTitle = isCost ? 'For information: use at the price book' : 'Use at the price book'
  const costTable = table(
    ['Engine', 'What for', 'n Engine seconds', 'n Amount'],
    costs.map(({ engineId, kind, cause, engineS, amount }) => {
      const words = causes[cause] ?? cause
      return [engineId, kinds[kind] + (words === '' ? '' : `: ${words}`), engineS, amount]
    }),
  )
  const rented = table(
    ['Rented service', 'Model', 'n Requests', 'n Amount'],
    overflow.map((line) => [line.target, line.model, count(line.requests), line.amount]),
  )
  const used = table(
    ['Model', 'Class', 'Project', 'n Requests', 'n Tokens in', 'n Tokens out', 'n Charge'],
    usage.map((line) => {
      const { model, serviceClass, projectId, requests, inputTokens, outputTokens, charge } = line
      const counts = [requests, inputTokens, outputTokens].map(count)
      return [model, serviceClass, projectId, ...counts, charge]
    }),
  )
  const unpriced = usage.reduce((sum, line) => sum + line.unpriced, 0)
  const tables = [
    `<h2>${costTitle}</h2>${costTable}${overflow.length === 0 ? '' : rented}`,
    `<h2>${useTitle}</h2>${used}`,
  ]
  return `${(isCost ? tables : tables.toReversed()).join('')}
${unpriced === 0 ? '' : `<p>${count(unpriced)} requests had no price.</p>`}
<h2>How it was shared</h2>
<p>Engines cost ${allocation.engineCost} in all and rented services ${allocation.overflowCost};
${allocation.unallocated} is unallocated. What was nobody’s is ${rules[allocation.rule]}.</p>
<p>Lent to others: ${lentS} engine seconds, for which they paid. Saved: ${count(cachedTokens)}
prompt tokens out of prefix caches, ${count(hitTokens)} tokens of kept answers.</p>`
}

/** @param columns a leading `n ` makes one of numbers */
function table(columns: string[], rows: string[][]): string {
  if (rows.length === 0) return '<p class="soft">Nothing.</p>'
  const mark = (at: number) => (columns[at]?.startsWith('n ') ? ' class="n"' : '')
  const head = columns.map((name, at) => `<th${mark(at)}>${name.replace(/^n /, '')}</th>`)
  const cells = (row: string[]) => row.map((text, at) => `<td${mark(at)}>${safe(text)}</td>`)
  const lines = rows.map((row) => `<tr>${cells(row).join('')}</tr>`)
  return `<table><thead><tr>${head.join('')}</tr></thead><tbody>${lines.join('')}</tbody></table>`
}

const count = (value: number) => value.toLocaleString('en-US')
const moment = (iso: string) => iso.slice(0, 16).replace('T', ' ')

const entities: Record<string, string> = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;' }
const safe = (text: string) => text.replace(/[&<>"]/g, (one) => entities[one] ?? one)
