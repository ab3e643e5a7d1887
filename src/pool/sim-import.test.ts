import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { seededRandom } from '../base/index.ts'
import { DAY_MS, gamma, generateTrace, publicStatistics, repeatOverDay } from './sim-generate.ts'
import { importTrace, parseClientLengths, parseRates } from './sim-import.ts'
import { parseTrace, traceHeader, traceLine } from './sim-trace.ts'

describe('a trace', () => {
  const text = `# remark\n${traceHeader}\n1.5,b,batch,10,2,\n0.25,a,standard,9,1,x:4/y:2\n`

  it('is read in order of time and written as it was', () => {
    const rows = parseTrace(text)
    assert.deepEqual(rows[0], {
      atMs: 250,
      tenant: 'a',
      serviceClass: 'standard',
      inputTokens: 9,
      outputTokens: 1,
      prefix: [
        { id: 'x', tokens: 4 },
        { id: 'y', tokens: 2 },
      ],
    })
    const again = parseTrace([traceHeader, ...rows.map(traceLine)].join('\n'))
    assert.deepEqual(again, rows)
  })

  it('is refused with the line that is wrong', () => {
    const wrong: [string, RegExp][] = [
      ['1,a,urgent,1,1,', /line 2: "urgent"/],
      ['1,a,batch,-1,1,', /line 2: input/],
      ['x,a,batch,1,1,', /line 2: time_s/],
      ['1,,batch,1,1,', /line 2: the tenant/],
      ['1,a,batch,1,1,nonsense', /line 2: the prefix/],
    ]
    for (const [line, message] of wrong) {
      assert.throws(() => parseTrace(`${traceHeader}\n${line}`), message)
    }
    assert.throws(() => parseTrace('a,b\n'), /line 1/)
  })
})

describe('importing', () => {
  it('reads Azure, Arena and lengths', () => {
    const azure =
      'TIMESTAMP,ContextTokens,GeneratedTokens\r\n2023-11-16 18:17:03.9799600,4808,10\r\n' +
      '2023-11-16 18:17:04.9799600,12,3\r\n'
    assert.deepEqual(
      importTrace(azure).map(({ atMs, inputTokens }) => [atMs, inputTokens]),
      [
        [0, 4808],
        [1000, 12],
      ],
    )
    const arena = 't_s,client,prompt_tokens,output_tokens\n0.2,7,13,199\n'
    assert.equal(importTrace(arena)[0]?.tenant, 'client-7')
    const lengths = 'num_prefill_tokens,num_decode_tokens,num_total_tokens,pd_ratio\n37,5,42,7.4\n'
    assert.equal(importTrace(lengths, 'batch')[0]?.serviceClass, 'batch')
  })

  it("joins Mooncake's blocks that the same requests share", () => {
    const line = (ids: number[], input: number) =>
      JSON.stringify({ timestamp: 5, input_length: input, output_length: 3, hash_ids: ids })
    const rows = importTrace([line([1, 2, 3], 1500), line([1, 2, 9], 1400)].join('\n'))
    assert.deepEqual(rows[0]?.prefix, [{ id: '1', tokens: 1024 }])
    assert.deepEqual(rows[1]?.prefix, [{ id: '1', tokens: 1024 }])
  })

  it('says which line it cannot read', () => {
    assert.throws(() => importTrace('{"timestamp": 1}\n'), /line 1/)
    assert.throws(() => importTrace('t_s,client,prompt_tokens,output_tokens\n1,2,x,4'), /line 2/)
    assert.throws(() => importTrace('what,ever\n1,2'), /no known trace/)
  })

  it('reads rates and the lengths of clients', () => {
    const rates = parseRates('window_start_s,client,req_per_s,iat_cv\n600,0,0.5,2\n')
    assert.deepEqual(rates, [{ startMs: 600_000, client: '0', perS: 0.5, variation: 2 }])
    const header = 'model,client,in_p50,in_p90,in_p99,out_p50,out_p90,out_p99'
    const clients = parseClientLengths(`${header}\nm,0,1,2,3,4,5,6\nm,1,,,,,,\n`, 'm')
    assert.deepEqual(
      clients.map(({ client }) => client),
      ['0'],
    )
  })
})

describe('generated traffic', () => {
  it('has the statistics it is drawn from', (t) => {
    const seed = 2
    t.diagnostic(`seed ${seed}`)
    const random = seededRandom(seed)
    for (const variation of [0.5, 1, 3]) {
      const drawn = Array.from({ length: 40_000 }, () => gamma(1 / variation ** 2, random))
      const mean = drawn.reduce((a, b) => a + b, 0) / drawn.length
      const spread = Math.sqrt(drawn.reduce((a, b) => a + (b - mean) ** 2, 0) / drawn.length)
      assert.ok(Math.abs(mean - 1) < 0.1, `mean ${mean}`)
      assert.ok(Math.abs(spread / variation - 1) < 0.15, `variation ${spread}`)
    }
    const [statistics] = publicStatistics
    assert.ok(statistics)
    const rows = generateTrace(statistics, random)
    const perS = (1000 * rows.length) / statistics.spanMs
    assert.ok(Math.abs(perS / statistics.perS - 1) < 0.1, `${perS} requests per second`)
    const day = repeatOverDay(rows, random)
    const inHour = (hour: number) =>
      day.filter(({ atMs }) => Math.floor((24 * atMs) / DAY_MS) === hour).length
    assert.ok(inHour(15) > 3 * inHour(3))
  })
})
