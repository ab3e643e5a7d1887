/** FOCUS as CSV and as Apache Parquet, a group of rows at a time. */
import { ByteWriter, ParquetWriter, type SchemaElement } from 'hyparquet-writer'
import { nanosOfBooked } from '../base/index.ts'
import { csvRecord } from '../meter/index.ts'
import type { StatementDetailView } from './contract.ts'
import { type FocusColumn, type FocusVersion, focusColumns, focusRows } from './statement-focus.ts'

type Views = AsyncIterable<StatementDetailView[]>
type Row = (string | null)[]

/** A header, then records; of texts that a spreadsheet would run, an apostrophe in front. */
export async function* focusCsv(pages: Views, version: FocusVersion): AsyncGenerator<string> {
  const columns = focusColumns(version)
  yield csvRecord(columns.map(({ name }) => name))
  for await (const rows of groupsOf(pages, columns)) yield rows.map(csvRecord).join('')
}

/**
 * The same rows: amounts as DECIMAL(38, 9), times as TIMESTAMP of UTC, all else as strings. What is
 * kept is one group of rows, and of each group before its place in the file for the footer.
 */
export async function* focusParquet(
  pages: Views,
  version: FocusVersion,
): AsyncGenerator<Uint8Array> {
  const columns = focusColumns(version)
  const writer = new ByteWriter()
  const schema = [{ name: 'focus', num_children: columns.length }, ...columns.map(elementOf)]
  const parquet = new ParquetWriter({ writer, schema, createdBy: 'gristmill', statistics: false })
  const taken = () => {
    const bytes = writer.getBytes().slice()
    writer.index = 0
    return bytes
  }
  for await (const rows of groupsOf(pages, columns)) {
    const columnData = columns.map(({ name, type }, at) => ({
      name,
      data: rows.map((row) => storedAs(type, row[at] ?? null)),
      offsetIndex: false,
    }))
    await parquet.write({ columnData, rowGroupSize: rows.length })
    yield taken()
  }
  await parquet.finish()
  yield taken()
}

/** Encoding a group holds the gateway up, for some 20 ms with so many. */
const GROUP_ROWS = 500

async function* groupsOf(pages: Views, columns: readonly FocusColumn[]): AsyncGenerator<Row[]> {
  let group: Row[] = []
  for await (const page of pages) {
    for (const view of page) {
      for (const row of focusRows(view, columns)) {
        group.push(row)
        if (group.length < GROUP_ROWS) continue
        yield group
        group = []
      }
    }
  }
  if (group.length > 0) yield group
}

function elementOf({ name, type }: FocusColumn): SchemaElement {
  const column = { name, repetition_type: 'OPTIONAL' } as const
  if (type === 'text') return { ...column, type: 'BYTE_ARRAY', converted_type: 'UTF8' }
  if (type === 'time') {
    const logical_type = { type: 'TIMESTAMP', isAdjustedToUTC: true, unit: 'MILLIS' } as const
    return { ...column, type: 'INT64', converted_type: 'TIMESTAMP_MILLIS', logical_type }
  }
  const [precision, scale] = [38, 9]
  return {
    ...column,
    type: 'FIXED_LEN_BYTE_ARRAY',
    type_length: 16,
    converted_type: 'DECIMAL',
    logical_type: { type: 'DECIMAL', precision, scale },
    ...{ precision, scale },
  }
}

function storedAs(type: FocusColumn['type'], text: string | null): string | bigint | Date | null {
  if (text === null || type === 'text') return text
  return type === 'time' ? new Date(text) : nanosOfBooked(text)
}
