/** A statement as a page of its own, made to be printed on A4; it needs nothing else. */
import { createHash } from 'node:crypto'
import { decimalOf, nanosOfBooked } from '../base/index.ts'
import type { StatementDetailView } from './contract.ts'
import { type PageColumn, type PageRow, safe, table, withPlaces } from './statement-table.ts'

const STYLE = `
* { box-sizing: border-box }
body { font: 10pt/1.45 "Inter Variable", Inter, system-ui, -apple-system, "Segoe UI", Roboto,
  "Liberation Sans", Arial, sans-serif; color: #1c1a17; max-width: 178mm; margin: 12mm auto;
  padding: 0 4mm; font-variant-numeric: tabular-nums; -webkit-print-color-adjust: exact;
  print-color-adjust: exact }
header { display: flex; justify-content: space-between; gap: 10mm; align-items: flex-end;
  border-bottom: 1.5pt solid #1c1a17; padding-bottom: 3mm }
h1 { font-size: 20pt; line-height: 1.15; font-weight: 620; letter-spacing: -.015em; margin: 0 }
h2 { font-size: 11pt; font-weight: 620; margin: 8mm 0 1.5mm; break-after: avoid }
p { margin: 1mm 0; orphans: 3; widows: 3 }
.total { text-align: right; white-space: nowrap }
.total b { display: block; font-size: 16pt; line-height: 1.2; font-weight: 620 }
.soft, dt { color: #6b655c }
dl { display: grid; grid-template-columns: 1fr 1fr 1fr; gap: 3mm 8mm; margin: 5mm 0 0 }
dt { font-size: 8.5pt } dd { margin: 0; white-space: pre-line; overflow-wrap: anywhere }
table { width: 100%; border-collapse: collapse }
th, td { text-align: left; padding: 1.1mm 3mm 1.1mm 0; border-bottom: .5pt solid #ddd6ca;
  vertical-align: top; overflow-wrap: anywhere }
thead { display: table-header-group }
th { font-weight: 500; color: #6b655c; font-size: 8.5pt; vertical-align: bottom }
.n { text-align: right; padding-right: 0; padding-left: 4mm; white-space: nowrap }
tr { break-inside: avoid }
tr.sum td { border-bottom: 0; border-top: 1pt solid #1c1a17; font-weight: 620 }
tbody tr:nth-last-child(2), tr.head { break-after: avoid }
tr.head td { font-weight: 560; padding-top: 2.5mm }
tr.head .soft { font-weight: 400; font-size: 8.5pt; padding-left: 1mm }
.note { border: 1pt solid #1c1a17; border-radius: 2mm; padding: 2mm 3mm; margin-top: 5mm;
  break-inside: avoid }
footer { margin-top: 9mm; border-top: .5pt solid #ddd6ca; padding-top: 3mm; font-size: 8pt;
  color: #6b655c; break-inside: avoid }
footer dl { grid-template-columns: 18mm 1fr; gap: .5mm 2mm; margin: 2mm 0 0 }
footer dt { font-size: 8pt }
code { font: 7.5pt/1.4 ui-monospace, "SF Mono", Menlo, Consolas, "Liberation Mono", monospace }
@media print { body { margin: 0; max-width: none; padding: 0 } }`

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
  engine_failed: 'engine failed',
  timeout: 'timed out',
  shutdown: 'gateway stopped',
}

const rules = {
  operator: 'kept by the operator',
  weight: 'shared among tenants by weight',
  use: 'shared among tenants by use',
}

/** What engines and projects are called now, by id; the document has their ids only. */
export interface StatementNames {
  engines: ReadonlyMap<string, string>
  projects: ReadonlyMap<string, string>
}

export interface StatementPage {
  html: string
  /** Lets the page have its one style, and nothing else. */
  contentSecurityPolicy: string
}

/** Amounts stand as they are booked, to the nano-unit; nothing on the page is rounded. */
export function statementPage(view: StatementDetailView, names: StatementNames): StatementPage {
  const { number, kind, tenantName, hash } = view
  const title = kind === 'statement' ? `Statement ${number}` : `Credit note ${number}`
  const style = STYLE + pageStyle(`${title} · ${hash.slice(0, 16)}`)
  const digest = createHash('sha256').update(style).digest('base64')
  const html = `<!doctype html>
<html lang="en"><head><meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>${title}, ${safe(tenantName)}</title>
<style>${style}</style></head><body>
${head(view, title)}
${notes(view)}
${content(view, names)}
${foot(view)}</body></html>
`
  const policy = `default-src 'none'; style-src 'sha256-${digest}'; frame-ancestors 'none'`
  return { html, contentSecurityPolicy: policy }
}

/** Which statement a sheet is of, and which of its sheets. @param words plain */
const pageStyle = (words: string) => `
@page { size: A4; margin: 16mm 16mm 19mm;
  @bottom-left { content: "${words}"; font: 7.5pt Arial, sans-serif; color: #6b655c }
  @bottom-right { content: "Page " counter(page) " of " counter(pages);
    font: 7.5pt Arial, sans-serif; color: #6b655c } }`

function head(view: StatementDetailView, title: string): string {
  const { tenantName, tenantId, issuer, fromAt, toAt, currency, total, closedAt } = view
  const facts = [
    ['From', issuer === null ? '' : safe(issuer)],
    ['For', `${safe(tenantName)}\n<span class="soft">${safe(tenantId)}</span>`],
    ['Period, UTC', `${periodOf(fromAt, toAt)}`],
    ['Closed', `${moment(closedAt)} UTC`],
    ['Billed', basisOf(view)],
  ].filter(([, value]) => value !== '')
  const list = facts.map(([name, value]) => `<div><dt>${name}</dt><dd>${value}</dd></div>`)
  return `<header><h1>${title}</h1>
<div class="total"><span class="soft">Total</span><b>${grouped(total)} ${safe(currency)}</b></div>
</header><dl>${list.join('')}</dl>`
}

function basisOf({ content: given }: StatementDetailView): string {
  if (given === null) return ''
  return given.basis === 'cost' ? 'share of costs' : 'use at the price book'
}

/** A whole month by its name; else from when to when, the end not included. */
function periodOf(fromAt: string, toAt: string): string {
  const from = new Date(fromAt)
  const isWhole =
    fromAt.slice(8, 19) === '01T00:00:00' &&
    Date.parse(toAt) === Date.UTC(from.getUTCFullYear(), from.getUTCMonth() + 1, 1)
  if (!isWhole) return `${moment(fromAt)} to\n${moment(toAt)}, not included`
  return from.toLocaleDateString('en-GB', { month: 'long', year: 'numeric', timeZone: 'UTC' })
}

/** What has come of it since, or what it takes back. */
function notes({ number, correctedBy, corrects, reason }: StatementDetailView): string {
  if (corrects !== null) {
    return `<p class="note">Takes statement ${corrects} back, whole. ${safe(reason ?? '')}</p>`
  }
  if (correctedBy === null) return ''
  return `<p class="note">Credit note ${correctedBy} has taken statement ${number} back; it is not
to be paid.</p>`
}

function content({ content: given, currency }: StatementDetailView, names: StatementNames): string {
  if (given === null) return ''
  const { basis, allocation, lentS, cachedTokens, hitTokens, usage } = given
  const isCost = basis === 'cost'
  const cost = `<h2>${isCost ? '' : 'For information: '}Share of what engines cost</h2>
${costTables(given, names, currency)}`
  const use = `<h2>${isCost ? 'For information: use' : 'Use'} at the price book</h2>
${usageTable(given, names, currency)}${discountTable(given, currency)}`
  const unpriced = usage.reduce((sum, line) => sum + line.unpriced, 0)
  return `${isCost ? cost + use : use + cost}
${unpriced === 0 ? '' : `<p>${count(unpriced)} requests had no price.</p>`}
${creditTable(given, currency)}
<h2>How it was shared</h2>
<p>Engines cost ${grouped(allocation.engineCost)} ${currency} in all, rented services
${grouped(allocation.overflowCost)}; ${grouped(allocation.unallocated)} is unallocated. All
tenants and what is unallocated add up to that exactly. What was nobody’s is
${rules[allocation.rule]}.</p>
<p>Lent to others: ${grouped(lentS)} engine seconds, for which they paid. Saved:
${count(cachedTokens)} prompt tokens out of prefix caches, ${count(hitTokens)} tokens of kept
answers.</p>`
}

type Content = NonNullable<StatementDetailView['content']>

function costTables(
  { costs, overflow }: Content,
  { engines }: StatementNames,
  currency: string,
): string {
  const columns: PageColumn[] = [
    { title: 'Engine and what for' },
    { title: 'Engine seconds', isNumber: true },
    { title: `Amount, ${currency}`, isNumber: true },
  ]
  const ids = [...new Set(costs.map(({ engineId }) => engineId))]
  const groups = ids.map((id) => ({ id, lines: costs.filter(({ engineId }) => engineId === id) }))
  const seconds = withPlaces(costs.map(({ engineS }) => engineS))
  const sums = [...groups.map((group) => sumOf(group.lines)), sumOf(costs)]
  const amounts = withPlaces([...costs.map(({ amount }) => amount), ...sums])
  const rows = groups.flatMap(({ id, lines: own }, at): PageRow[] => [
    { cells: [named(engines, id), '', amounts[costs.length + at] ?? ''], isHead: true },
    ...own.map((line) => {
      const place = costs.indexOf(line)
      return { cells: [whatFor(line), seconds[place] ?? '', amounts[place] ?? ''] }
    }),
  ])
  const lines = table(columns, rows, ['Engines', '', amounts.at(-1) ?? ''])
  if (overflow.length === 0) return lines
  const prices = withPlaces([...overflow, { amount: sumOf(overflow) }].map(({ amount }) => amount))
  const rented = table(
    [
      { title: 'Rented service' },
      { title: 'Model' },
      { title: 'Requests', isNumber: true },
      { title: `Amount, ${currency}`, isNumber: true },
    ],
    overflow.map(({ target, model, requests }, at) => {
      return { cells: [safe(target), safe(model), count(requests), prices[at] ?? ''] }
    }),
    ['Rented services', '', '', prices.at(-1) ?? ''],
  )
  return `${lines}<h2>Work of rented services</h2>${rented}`
}

function whatFor({ kind, cause }: Content['costs'][number]): string {
  const words = kind === 'shared' ? (causes[cause] ?? safe(cause)) : ''
  return kinds[kind] + (words === '' ? '' : `: ${words}`)
}

function usageTable({ usage }: Content, { projects }: StatementNames, currency: string): string {
  const charges = withPlaces([...usage.map(({ charge }) => charge), sumOfCharges(usage)])
  const total = (of: (line: Content['usage'][number]) => number) =>
    count(usage.reduce((sum, line) => sum + of(line), 0))
  return table(
    [
      { title: 'Model' },
      { title: 'Class' },
      { title: 'Project' },
      { title: 'Requests', isNumber: true },
      { title: 'Tokens in', isNumber: true },
      { title: 'Tokens out', isNumber: true },
      { title: `Charge, ${currency}`, isNumber: true },
    ],
    usage.map(({ model, serviceClass, projectId, requests, inputTokens, outputTokens }, at) => {
      const counts = [requests, inputTokens, outputTokens].map(count)
      const project = projects.get(projectId) ?? projectId
      const names = [model, serviceClass, project].map(safe)
      return { cells: [...names, ...counts, charges[at] ?? ''] }
    }),
    [
      'All',
      '',
      '',
      total((line) => line.requests),
      total((line) => line.inputTokens),
      total((line) => line.outputTokens),
      charges.at(-1) ?? '',
    ],
  )
}

function discountTable({ discounts }: Content, currency: string): string {
  const lines = discounts?.lines ?? []
  if (lines.length === 0) return ''
  const amounts = withPlaces([...lines, { amount: sumOf(lines) }].map(({ amount }) => amount))
  const [basis, granted, before] = (['basis', 'granted', 'before'] as const).map((name) =>
    withPlaces(lines.map((line) => line[name])),
  )
  const columns: PageColumn[] = [
    { title: 'Month and terms' },
    { title: 'Charge of the month until now', isNumber: true },
    { title: 'Granted on that', isNumber: true },
    { title: 'Granted before', isNumber: true },
    { title: `Amount, ${currency}`, isNumber: true },
  ]
  const rows = lines.map(({ kind, month, method }, at) => {
    const what = `${month}: ${kind === 'allowance' ? 'free are ' : ''}${safe(method)}`
    const figures = [basis, granted, before, amounts].map((column) => column?.[at] ?? '')
    return { cells: [what, ...figures] }
  })
  return `<h2>Free and discounts</h2>
${table(columns, rows, ['All', '', '', '', amounts.at(-1) ?? ''])}`
}

/** What it was used for stands above; it changes no total. */
function creditTable({ credit }: Content, currency: string): string {
  if (credit === null) return ''
  const { toppedUp, refunded, corrected, used } = credit
  const less = used === '0' ? used : `-${used}`
  const rows = [
    ['Paid in', toppedUp],
    ['Paid back', refunded],
    ['Corrected', corrected],
    ['Used by the requests of the period', less],
  ].filter(([, amount]) => amount !== '0')
  const change = sum([toppedUp, refunded, corrected, less])
  const amounts = withPlaces([...rows.map(([, amount = '']) => amount), change])
  const columns = [{ title: 'Prepaid credit' }, { title: `Amount, ${currency}`, isNumber: true }]
  const cells = rows.map(([what = ''], at) => ({ cells: [what, amounts[at] ?? ''] }))
  return table(columns, cells, ['Change in the period', amounts.at(-1) ?? ''])
}

function foot({ actor, hash, previousHash, signature, publicKey }: StatementDetailView): string {
  const values = [
    ['Hash', hash],
    ['After', previousHash],
    ['Signature', signature],
    ['Key', publicKey],
  ]
  const list = values.map(([name, value]) => `<dt>${name}</dt><dd><code>${value}</code></dd>`)
  return `<footer><p>Closed by ${safe(actor)}. Statements are numbered without gaps and chained: the
hash is SHA-256 over the one before it and this document, signed with Ed25519, so whoever has a
later statement can tell that this one was not changed. <code>gristmill ledger verify</code> proves
all of them.</p><dl>${list.join('')}</dl></footer>`
}

const sumOf = (lines: readonly { amount: string }[]) => sum(lines.map(({ amount }) => amount))
const sumOfCharges = (lines: readonly { charge: string }[]) =>
  sum(lines.map(({ charge }) => charge))
const sum = (amounts: readonly string[]) =>
  decimalOf(amounts.reduce((all, amount) => all + nanosOfBooked(amount), 0n))

function named(names: ReadonlyMap<string, string>, id: string): string {
  const name = names.get(id)
  return name === undefined ? safe(id) : `${safe(name)} <span class="soft">${safe(id)}</span>`
}

const count = (value: number) => value.toLocaleString('en-US')
const moment = (iso: string) => iso.slice(0, 16).replace('T', ' ')
const grouped = (decimal: string) => withPlaces([decimal])[0] ?? decimal
