import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, describe, it } from 'node:test'
import { cli } from './test-cli.ts'

const folder = mkdtempSync(join(tmpdir(), 'gristmill-plan-'))
after(() => rmSync(folder, { recursive: true }))

function file(name: string, text: string): string {
  const path = join(folder, name)
  writeFileSync(path, text)
  return path
}

const arena = [
  't_s,client,prompt_tokens,output_tokens',
  ...Array.from({ length: 120 }, (_, i) => `${i * 0.5},${i % 4},${40 + i},${20 + (i % 50)}`),
].join('\n')

describe('gristmill plan', () => {
  const trace = file('arena.csv', arena)

  it('tells what each arrangement needs', async () => {
    const { code, out } = await cli(
      ['plan', '--trace', trace, '--engine', 'a10g-7b', '--cost-per-engine-hour', '2'],
      {},
    )
    assert.equal(code, 0)
    assert.match(out, /own engines each +4/)
    assert.match(out, /one shared pool +1/)
    assert.match(out, /One pool needs 1 engine where tenants alone need 4/)
  })

  it('answers what would change, from the busiest time of the trace', async () => {
    const ask = (...change: string[]) =>
      cli(['plan', '--trace', trace, '--engine', 'a10g-7b', '--what-if', ...change], {})
    const load = await ask('load=10')
    assert.match(load.out, /One engine (keeps|does not keep) the promise/)
    assert.match(load.err, /the busiest \d+ min of the trace, 120 requests/)
    const tenant = await ask('tenant=client-1', '--json')
    const report = JSON.parse(tenant.out)
    assert.deepEqual(report.change, { kind: 'tenant', like: 'client-1' })
    assert.equal(report.after.requests, 150)
    const fewer = await ask('engines=-1')
    assert.equal(fewer.code, 1)
    assert.match(fewer.err, /at least one must stay/)
    const wrong = await ask('more=1')
    assert.match(wrong.err, /load=2, tenant=NAME or engines=\+1/)
  })

  it('makes a plan for its own example, and wants to be told which trace', async () => {
    const none = await cli(['plan'], {})
    assert.match(none.err, /--trace or --example/)
  })

  it('prints the report as JSON', async () => {
    const { out } = await cli(['plan', '--trace', trace, '--engine', 'a10g-7b', '--json'], {})
    const report = JSON.parse(out)
    assert.equal(report.trace.requests, 120)
    assert.equal(report.arrangements.length, 3)
    assert.equal(report.costPerEngineHour, null)
  })

  it('takes an engine from a file and refuses one that is wrong', async () => {
    const wrong = file('engine.json', '{"name": "mine"}')
    const { code, err } = await cli(['plan', '--trace', trace, '--engine', wrong], {})
    assert.equal(code, 1)
    assert.match(err, /basis/)
    const none = await cli(['plan', '--trace', trace, '--engine', 'abacus'], {})
    assert.match(none.err, /h100-8b/)
  })

  it('says which file or line is wrong', async () => {
    const missing = await cli(['plan', '--trace', join(folder, 'none.csv')], {})
    assert.match(missing.err, /no such file/)
    const broken = file('broken.csv', `${arena}\n1,2,x,4\n`)
    const { code, err } = await cli(['plan', '--trace', broken], {})
    assert.equal(code, 1)
    assert.match(err, /line 122/)
  })
})

describe('gristmill trace import', () => {
  it('writes the own form, which it can read again', async () => {
    const trace = file('a.csv', arena)
    const { code, out } = await cli(['trace', 'import', '--file', trace, '--class', 'flex'], {})
    assert.equal(code, 0)
    assert.equal(out.split('\n')[0], 'time_s,tenant,class,input,output,prefix')
    assert.equal(out.split('\n')[1], '0.000,client-0,flex,40,20,')
    const again = await cli(['trace', 'import', '--file', file('own.csv', out)], {})
    assert.equal(again.out, out)
  })
})
