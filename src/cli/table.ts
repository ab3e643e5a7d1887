/** Aligned tables for the terminal. */
import { printable, type Terminal } from './terminal.ts'

export interface Column<Row> {
  title: string
  value(row: Row): string
  /** Numbers go right, so that their digits stand below each other. */
  align?: 'right'
}

/**
 * A table as lines, titles first.
 * @param rows one line each; control characters in values are made visible
 */
export function tableLines<Row>(
  rows: readonly Row[],
  columns: readonly Column<Row>[],
  paint: Terminal['paint'],
): string[] {
  const cells = rows.map((row) => columns.map((column) => printable(column.value(row))))
  // One after the other: a call takes only so many arguments.
  const widths = columns.map(({ title }, index) =>
    cells.reduce((widest, line) => Math.max(widest, width(line[index] ?? '')), width(title)),
  )
  const line = (texts: string[]) =>
    texts
      .map((text, index) => {
        const gap = ' '.repeat((widths[index] ?? 0) - width(text))
        return columns[index]?.align === 'right' ? gap + text : text + gap
      })
      .join('  ')
      .trimEnd()
  const titles = paint('dim', line(columns.map(({ title }) => title)))
  return [titles, ...cells.map(line)]
}

/** Prints a table, or the sentence for an empty one. */
export function printTable<Row>(
  terminal: Terminal,
  rows: readonly Row[],
  columns: readonly Column<Row>[],
  whenEmpty: string,
): void {
  if (rows.length === 0) terminal.note(whenEmpty)
  else for (const line of tableLines(rows, columns, terminal.paint)) terminal.print(line)
}

/** Cells a text takes: East Asian wide characters and pictographs take two. */
function width(text: string): number {
  let cells = 0
  for (const { segment } of graphemes.segment(text)) cells += wide.test(segment) ? 2 : 1
  return cells
}

const graphemes = new Intl.Segmenter('en', { granularity: 'grapheme' })
const wide =
  /[\u1100-\u115f\u2e80-\ua4cf\uac00-\ud7a3\uf900-\ufaff\ufe30-\ufe6f\uff00-\uff60\uffe0-\uffe6]|\p{Emoji_Presentation}/u
