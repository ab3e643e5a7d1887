import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { parquetMetadata, parquetReadObjects } from 'hyparquet'
import { decimalOf } from '../base/index.ts'
import type { StatementDetailView } from './contract.ts'
import { focusCsv, focusParquet } from './focus-export.ts'
import { type FocusVersion, focusColumns, focusVersions } from './statement-focus.ts'

const LINES = 700
const pages = [statementsFrom(1, 2), statementsFrom(3, 1)]

for (const version of focusVersions) {
  describe(`FOCUS ${version} as Parquet`, () => {
    it('is the CSV row by row, with numbers to the last place', async () => {
      const records = await csv(version)
      const columns = focusColumns(version)
      assert.deepEqual(
        records[0],
        columns.map(({ name }) => name),
      )
      const rows = await parquetRows(version)
      assert.equal(rows.length, 3 * (LINES + 1))
      for (const [at, row] of rows.entries()) {
        const expected = (records[at + 1] ?? []).map((text, column) =>
          columns[column]?.type === 'decimal' ? text.replace(/\.0$/, '') : text,
        )
        assert.deepEqual(row, expected, `row ${at}`)
      }
      assert.ok(rows.flat().includes('123456789012345.123456789'), 'beyond what a float can hold')
    })

    it('says what its columns are', async () => {
      const metadata = parquetMetadata(await file(version))
      const types = new Map(metadata.schema.map(({ name, ...element }) => [name, element]))
      const { type, precision, scale, logical_type } = types.get('BilledCost') ?? {}
      assert.deepEqual(
        [type, precision, scale, logical_type],
        ['FIXED_LEN_BYTE_ARRAY', 38, 9, { type: 'DECIMAL', precision: 38, scale: 9 }],
      )
      assert.deepEqual(types.get('ChargePeriodStart')?.logical_type, {
        type: 'TIMESTAMP',
        isAdjustedToUTC: true,
        unit: 'MILLIS',
      })
      assert.equal(types.get('InvoiceId')?.converted_type, 'UTF8')
      assert.equal(types.has('ServiceProviderName'), version === '1.3')
      assert.ok(metadata.row_groups.length > 2, 'it is written group by group')
    })
  })
}

it('FOCUS of no statement has columns and no row', async () => {
  const none = async function* (): AsyncGenerator<StatementDetailView[]> {}
  const file = await joined(focusParquet(none(), '1.3'))
  assert.equal(parquetMetadata(file).num_rows, 0n)
  assert.equal(parquetMetadata(file).schema.length, focusColumns('1.3').length + 1)
})

async function file(version: FocusVersion): Promise<ArrayBuffer> {
  return joined(focusParquet(views(), version))
}

async function* views(): AsyncGenerator<StatementDetailView[]> {
  yield* pages
}

async function joined(pieces: AsyncIterable<Uint8Array>): Promise<ArrayBuffer> {
  const parts: Uint8Array<ArrayBuffer>[] = []
  for await (const piece of pieces) parts.push(Uint8Array.from(piece))
  return new Blob(parts).arrayBuffer()
}

async function csv(version: FocusVersion): Promise<string[][]> {
  let text = ''
  for await (const piece of focusCsv(views(), version)) text += piece
  return text.trimEnd().split('\r\n').map(fieldsOf)
}

function fieldsOf(record: string): string[] {
  // Each field with the comma before it, so that none is found at the end for nothing.
  const found = `,${record}`.matchAll(/,("(?:[^"]|"")*"|[^,]*)/g)
  return [...found].map(([, field = '']) => field.replace(/^"|"$/g, '').replaceAll('""', '"'))
}

/** With decimals as the bytes that they are in the file: the reader would make floats of them. */
async function parquetRows(version: FocusVersion): Promise<string[][]> {
  const bytes = await file(version)
  const metadata = parquetMetadata(bytes)
  for (const element of metadata.schema) {
    if (element.converted_type !== 'DECIMAL') continue
    delete element.converted_type
    delete element.logical_type
  }
  const rows = await parquetReadObjects({ file: bytes, metadata, utf8: false })
  return rows.map((row) => Object.values(row).map(textOf))
}

function textOf(value: unknown): string {
  if (value === null || value === undefined) return ''
  if (value instanceof Date) return value.toISOString().replace('.000', '')
  if (!(value instanceof Uint8Array)) return String(value)
  return decimalOf(BigInt.asIntN(128, BigInt(`0x${Buffer.from(value).toString('hex')}`)))
}

/** So many lines that pages, statements and groups of rows end at different places. */
function statementsFrom(first: number, count: number): StatementDetailView[] {
  return Array.from({ length: count }, (_, index) => statementOf(first + index))
}

function statementOf(number: number): StatementDetailView {
  return {
    ...{ number, kind: 'statement', tenantId: `ten_${number}`, tenantName: 'Größe, "klein"' },
    ...{ issuer: null, fromAt: '2026-10-01T00:00:00.000Z', toAt: '2026-11-01T00:00:00.000Z' },
    ...{ currency: 'USD', total: '1', corrects: null, correctedBy: null, actor: 'finance' },
    ...{ closedAt: '2026-11-01T00:05:00.000Z', previousHash: '', hash: '', signature: '' },
    ...{ publicKey: '', reason: null },
    content: {
      basis: 'cost',
      costs: Array.from({ length: LINES }, (_, line) => ({
        engineId: `eng_${line}`,
        kind: line % 2 === 0 ? 'entitled' : 'borrowed',
        cause: '',
        engineS: `${line}.5`,
        amount: line === 0 ? '123456789012345.123456789' : `0.00000000${1 + (line % 9)}`,
      })),
      overflow: [
        {
          target: 'a/b',
          model: 'small',
          requests: 3,
          inputTokens: 1,
          outputTokens: 2,
          amount: '1',
        },
      ],
      usage: [],
      ...{ lentS: '0', cachedTokens: 0, hitTokens: 0, credit: null, discounts: null },
      allocation: {
        ...{ rule: 'use', engineCost: '123456789012346', overflowCost: '1' },
        ...{ unallocated: '0', digest: '' },
      },
    },
  }
}
