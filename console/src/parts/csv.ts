/** Tables as CSV (RFC 4180), safe to open in a spreadsheet. */
export type CsvValue = string | number | boolean | null | undefined

export function csvOf(header: readonly string[], rows: readonly (readonly CsvValue[])[]): string {
  return [header, ...rows].map((row) => `${row.map(field).join(',')}\r\n`).join('')
}

function field(value: CsvValue): string {
  if (value === null || value === undefined) return ''
  // A spreadsheet runs what begins like a formula; a leading apostrophe keeps it text.
  const text = typeof value === 'string' && /^[=+\-@\t\r]/.test(value) ? `'${value}` : String(value)
  return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text
}
