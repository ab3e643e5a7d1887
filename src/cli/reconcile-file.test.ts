import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { csvRecords } from './csv-records.ts'
import { BadBill, Bill, type BillMapping } from './reconcile-file.ts'

const none: BillMapping = { columns: {}, models: new Map(), keys: new Map() }

async function records(text: string, size = text.length || 1): Promise<string[][]> {
  const parts = text.match(new RegExp(`[\\s\\S]{1,${size}}`, 'g')) ?? []
  const found: string[][] = []
  for await (const record of csvRecords(parts)) found.push(record)
  return found
}

async function rowsOf(text: string, mapping: Partial<BillMapping> = {}) {
  const [header = [], ...rows] = await records(text)
  const bill = new Bill(header, { ...none, ...mapping })
  for (const row of rows) bill.add(row)
  return bill.rows()
}

describe('comma-separated values', () => {
  it('are read however they are cut into parts', async () => {
    const text = '\ufeffa,"b ""c"", d"\r\n"line\nbreak",\n\n,x'
    const whole = [
      ['a', 'b "c", d'],
      ['line\nbreak', ''],
      ['', 'x'],
    ]
    for (const size of [1, 2, 3, 100]) assert.deepEqual(await records(text, size), whole)
    assert.deepEqual(await records(''), [])
    assert.deepEqual(await records('""\n'), [['']])
  })
})

describe('the bill of a service', () => {
  it('is added up by day, model and key, with its own names for them', async () => {
    const text = [
      'Date,Model,API_Key,prompt_tokens,completion_tokens,Spent',
      '2026-11-01T23:00:00Z,gpt-x-2026,sk-1,100,10,0.000015',
      '2026-11-01,gpt-x-2026,sk-1,200,20,3e-5',
      '2026-11-02,gpt-y,sk-2,1,1,-0.5',
    ].join('\n')
    const mapping = {
      columns: { cost: 'spent' },
      models: new Map([['gpt-x-2026', 'gpt-x']]),
      keys: new Map([['sk-1', 'openai']]),
    }
    assert.deepEqual(await rowsOf(text, mapping), [
      {
        ...{ day: '2026-11-01', model: 'gpt-x', key: 'openai', tokens: 330 },
        ...{ amount: '0.000045', rounding: '0.000001' },
      },
      {
        ...{ day: '2026-11-02', model: 'gpt-y', key: 'sk-2', tokens: 2 },
        ...{ amount: '-0.5', rounding: '0.0000005' },
      },
    ])
  })

  it('may be FOCUS, where a quantity of tokens is one of tokens', async () => {
    const text = [
      'BilledCost,ChargePeriodStart,ConsumedQuantity,ConsumedUnit,ResourceName',
      '1.25,2026-11-01T00:00:00Z,1000,Tokens,gpt-x',
      '0.75,2026-11-01T00:00:00Z,3,Requests,gpt-x',
    ].join('\n')
    const [row] = await rowsOf(text)
    assert.deepEqual([row?.tokens, row?.amount, row?.rounding], [1000, '2', '0.01'])
  })

  it('is refused with the row and what is wrong', async () => {
    const head = 'day,model,cost,tokens\n'
    const wrong: [string, RegExp][] = [
      ['day,model\n', /no column cost or amount or BilledCost \(name it: --column cost=NAME\)/],
      [`${head}1.11.,m,1,1`, /Row 2: `1\.11\.` does not begin with a day/],
      [`${head}2026-11-01,m,1,1\n2026-11-01,m,free,1`, /Row 3: `free` is no amount/],
      [`${head}2026-11-01,m,1,many`, /its tokens are not whole numbers/],
    ]
    for (const [text, message] of wrong) {
      await assert.rejects(
        rowsOf(text),
        (error) => error instanceof BadBill && message.test(error.message),
      )
    }
    await assert.rejects(rowsOf(head, { columns: { key: 'owner' } }), /no column owner/)
  })
})
