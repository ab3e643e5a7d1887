/** Comma-separated values as RFC 4180 has them, safe to open in a spreadsheet. */

export type CsvValue = string | number | null

/** One record, ended by CRLF. */
export function csvRecord(values: readonly CsvValue[]): string {
  return `${values.map(field).join(',')}\r\n`
}

/** An amount below nothing; as text no sheet would add it up. */
const DECIMAL = /^-\d+(\.\d+)?$/

function field(value: CsvValue): string {
  if (value === null) return ''
  if (typeof value === 'number') return String(value)
  // Spreadsheets run what begins like this; an apostrophe makes it text (OWASP, CSV injection).
  const runs = /^[=+\-@\t\r\n|%＝＋－＠]/.test(value) && !DECIMAL.test(value)
  const text = runs ? `'${value}` : value
  return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text
}
