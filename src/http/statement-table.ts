/** Tables of a page that is made of text: cells are HTML, columns of numbers line up. */

export interface PageColumn {
  title: string
  isNumber?: boolean
}

export interface PageRow {
  /** HTML */
  cells: readonly string[]
  /** It heads those that follow, and stays with the first of them. */
  isHead?: true
}

/** @param last cells of the sum, below the rows */
export function table(
  columns: readonly PageColumn[],
  rows: readonly PageRow[],
  last: readonly string[],
): string {
  if (rows.length === 0) return '<p class="soft">Nothing.</p>'
  const mark = (at: number) => (columns[at]?.isNumber ? ' class="n"' : '')
  const head = columns.map(({ title }, at) => `<th scope="col"${mark(at)}>${safe(title)}</th>`)
  const cells = (row: readonly string[]) =>
    row.map((html, at) => `<td${mark(at)}>${html}</td>`).join('')
  const lines = rows
    .map((row) => `<tr${row.isHead ? ' class="head"' : ''}>${cells(row.cells)}</tr>`)
    .join('')
  return `<table><thead><tr>${head.join('')}</tr></thead>
<tbody>${lines}<tr class="sum">${cells(last)}</tr></tbody></table>`
}

/** Decimals with as many places as the longest of them has, and thousands set apart. */
export function withPlaces(decimals: readonly string[]): string[] {
  const places = Math.max(2, ...decimals.map((text) => text.split('.')[1]?.length ?? 0))
  return decimals.map((text) => {
    const [whole = '', rest = ''] = text.split('.')
    return `${whole.replace(/\B(?=(\d{3})+$)/g, ',')}.${rest.padEnd(places, '0')}`
  })
}

const entities: Record<string, string> = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;' }
export const safe = (text: string) => text.replace(/[&<>"]/g, (one) => entities[one] ?? one)
