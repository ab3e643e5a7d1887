import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { Ajv } from 'ajv'
import { type Member, membersRule } from './property-choice.ts'
import { startToyEngine, type ToyEngine, user } from './toy-engine.fixture.ts'

let engine: ToyEngine
before(async () => {
  engine = await startToyEngine('markov')
})
after(() => engine.stop())

const members = (count: number, isRequired: (i: number) => boolean): Member[] =>
  Array.from({ length: count }, (_, i) => ({
    name: `property_${i}`,
    value: 'boolean',
    isRequired: isRequired(i),
  }))

function rulesOf(list: readonly Member[]): { rules: string[]; root: string } {
  const rules: string[] = []
  const root = membersRule(list, (body) => {
    rules.push(body ?? '')
    return `r${rules.length - 1}`
  })
  return { rules, root }
}

test('of many optional members only a few alternatives may come next at any point', () => {
  const { rules } = rulesOf(members(300, () => false))
  const alternatives = rules.map((rule) => rule.split(' | ').length)
  assert.ok(Math.max(...alternatives) <= 11, `${Math.max(...alternatives)}`)
  const characters = rules.reduce((sum, rule) => sum + rule.length, 0)
  assert.ok(characters < 90_000, `${characters}`)
})

test('an object whose members must all come is a plain row', () => {
  const { rules, root } = rulesOf(members(3, () => true))
  assert.ok([...rules, root].every((rule) => !rule.includes('|') && !rule.includes('?')))
})

test('answers with hundreds of optional members are valid and in order', async () => {
  const words = ['Größe', '😀', '😁', 'a"b', 'a', 'ab', 'abc', 'must', 'x', 'y', 'z']
  const names = [...words, ...Array.from({ length: 300 }, (_, i) => `property_${i}`)]
  const properties = Object.fromEntries(names.map((name) => [name, { type: 'boolean' }]))
  const required = ['must', 'property_7', 'property_299']
  const schema = { type: 'object', properties, required, additionalProperties: false }
  const valid = new Ajv().compile(schema)
  const formed = { type: 'json_schema', json_schema: { name: 'form', schema } }
  for (const seed of [1, 2, 3, 4]) {
    const { status, body } = await engine.post('/v1/chat/completions', {
      ...user('a form, please'),
      seed,
      max_tokens: 1500,
      response_format: formed,
    })
    assert.equal(status, 200)
    const { message, finish_reason: reason } = body.choices[0]
    if (reason === 'length') continue
    const answer = JSON.parse(message.content)
    assert.ok(valid(answer), JSON.stringify(valid.errors))
    const places = Object.keys(answer).map((name) => names.indexOf(name))
    assert.deepEqual(
      places,
      places.toSorted((a, b) => a - b),
    )
  }
})
