import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { createLogger, systemClock } from '../base/index.ts'
import { OutboundAddresses } from '../host/index.ts'
import { checkTexts, GuardRun } from './check.ts'
import { GuardBook } from './guard-book.ts'
import { guardsInput, problemsAmongGuards } from './schema.ts'

const problemsOf = (...guards: object[]) =>
  problemsAmongGuards(guardsInput.parse(guards)).map(({ path, reason }) => `${path}: ${reason}`)
const pattern = (name: string, ...patterns: string[]) => {
  return { name, kind: 'pattern', when: 'before', patterns }
}

describe('guards as they are written', () => {
  it('are refused with everything that is wrong with their patterns and schemas', () => {
    const [again, syntax, empty, behind, schema, remote, ...rest] = problemsOf(
      pattern('one', 'a'),
      pattern('one', 'b('),
      pattern('two', 'x*', 'a(?!b)'),
      { name: 'form', kind: 'schema', schema: { type: 'nothing' } },
      { name: 'far', kind: 'schema', schema: { $ref: 'https://example.org/schema.json' } },
    )
    assert.match(again ?? '', /guards\.1\.patterns\.0: .*missing closing \)/)
    assert.match(syntax ?? '', /guards\.1\.name: an earlier guard is called one/)
    assert.match(empty ?? '', /guards\.2\.patterns\.0: it matches where nothing stands/)
    assert.match(behind ?? '', /guards\.2\.patterns\.1: /)
    assert.match(schema ?? '', /guards\.3\.schema: .*type/)
    assert.match(remote ?? '', /guards\.4\.schema: .*resolve/)
    assert.deepEqual(rest, [])
  })

  it('have a bound on what their patterns cost together', () => {
    const big = Array.from({ length: 8 }, () => '[a-z]{900}')
    assert.match(problemsOf(pattern('big', ...big))[0] ?? '', /too large together/)
  })
})

describe('the guards that a request meets', () => {
  const logger = createLogger('silent', 'test')
  const addresses = new OutboundAddresses([])
  const book = new GuardBook({ addresses, clock: systemClock, logger })
  const by = (tenantName: string, model: string, route?: string) => {
    return { tenantId: `ten_${tenantName}`, tenantName, model, route }
  }

  it('are those of its tenant and of its route, in their order', () => {
    const guards = guardsInput.parse([
      { ...pattern('all', 'a'), when: 'after' },
      { ...pattern('sales', 'a'), tenants: ['sales'] },
      { ...pattern('small', 'a'), routes: ['small'] },
    ])
    const names = (...given: Parameters<typeof by>) => {
      const set = book.setFor(guards, by(...given))
      return [...(set?.before ?? []), ...(set?.after ?? [])].map(({ guard }) => guard.name)
    }
    assert.deepEqual(names('Sales', 'tiny', 'small'), ['sales', 'small', 'all'])
    assert.deepEqual(names('Legal', 'tiny'), ['all'])
    assert.deepEqual(names('Legal', 'small'), ['small', 'all'])
    const set = book.setFor(guards, by('Legal', 'small'))
    assert.equal(book.setFor(guards, by('Legal', 'small')), set)
    assert.notEqual(book.setFor([...guards], by('Legal', 'small')), set)
    assert.equal(book.setFor(guards.slice(1), by('Legal', 'tiny')), null)
  })

  it('let nothing pass while one of them cannot be made ready', () => {
    const fine = guardsInput.parse([pattern('one', 'a')])
    const broken = guardsInput.parse([pattern('one', 'a('), pattern('two', 'b')])
    assert.ok(book.setFor(fine, by('a', 'm')))
    for (let times = 0; times < 2; times++) {
      assert.throws(() => book.setFor(broken, by('a', 'm')), /missing closing/)
    }
  })

  it('are shown what those before them have left, and only answers have a form', () => {
    const guards = guardsInput.parse([
      { ...pattern('hide', '\\d+'), when: 'after', action: 'redact', replacement: '7' },
      { name: 'form', kind: 'schema', schema: { type: 'object', required: ['n'] } },
      { ...pattern('no-9', '9'), when: 'after' },
    ])
    const check = (texts: string[], contents: number[]) => {
      const run = new GuardRun({ requestId: 'req_1', tenant: 'a', model: 'm' })
      const set = book.setFor(guards, by('a', 'm'))
      try {
        return { left: checkTexts(set?.after ?? [], texts, run, contents), run }
      } catch (error) {
        return { code: (error as { code: string }).code, run }
      }
    }
    const fine = check(['thinking 99', '{"n":9}'], [1])
    assert.deepEqual(fine.left, ['thinking 7', '{"n":7}'])
    assert.deepEqual(
      fine.run.results.map(({ name, outcome }) => `${name} ${outcome}`),
      ['hide redacted', 'form passed', 'no-9 passed'],
    )
    const wrong = check(['{"m":1}'], [0])
    assert.equal(wrong.code, 'guard_refused')
    assert.deepEqual(wrong.run.results.at(-1), { name: 'form', outcome: 'refused' })
    assert.equal(check(['no JSON'], [0]).code, 'guard_refused')
  })
})
