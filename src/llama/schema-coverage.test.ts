/** JSON schemas as libraries write them: what is answered under them is valid. */
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { Ajv2020 } from 'ajv/dist/2020.js'
import { startToyEngine, type ToyEngine, user } from './toy-engine.fixture.ts'

const CHAT = '/v1/chat/completions'
let engine: ToyEngine
/** The toy model would rarely end a string or a list by itself. */
let closing: Record<string, number>
before(async () => {
  engine = await startToyEngine('markov')
  const { body } = await engine.post('/tokenize', { prompt: '"]}' })
  closing = Object.fromEntries(body.tokens.map((token: number) => [token, 8]))
})
after(() => engine.stop())

const ask = (schema: object, seed: number, bias: object = {}) =>
  engine.post(CHAT, {
    ...user('x'),
    seed,
    max_tokens: 600,
    logit_bias: { ...closing, ...bias },
    response_format: { type: 'json_schema', json_schema: { name: 'x', schema } },
  })

async function answers(schema: object, bias: object = {}): Promise<unknown[]> {
  const valid = new Ajv2020({ strict: false, validateFormats: false }).compile(schema)
  const found: unknown[] = []
  for (const seed of [1, 2, 3, 4, 5, 6]) {
    const { status, body } = await ask(schema, seed, bias)
    assert.equal(status, 200, `${JSON.stringify(schema)}: ${JSON.stringify(body)}`)
    const [choice] = body.choices
    if (choice.finish_reason === 'length') continue
    const value = JSON.parse(choice.message.content)
    assert.ok(valid(value), `${JSON.stringify(schema)}: ${choice.message.content}`)
    found.push(value)
  }
  assert.ok(found.length > 0, JSON.stringify(schema))
  return found
}

test('numbers keep to bounds of any size, whole or not', async () => {
  const bounds = [
    { type: 'number', minimum: 0, maximum: 1 },
    { type: 'number', exclusiveMinimum: 0, exclusiveMaximum: 0.5 },
    { type: 'number', minimum: -273.15 },
    { type: 'number', maximum: -2.5 },
    { type: 'integer', minimum: 0, maximum: 1_000_000 },
    { type: 'integer', minimum: 18 },
    { type: 'integer', exclusiveMaximum: -4 },
    { type: ['integer', 'null'], minimum: 1900, maximum: 2100 },
  ]
  for (const schema of bounds) await answers(schema)
})

test('strings follow patterns', async () => {
  const patterns = [
    '^[A-Z]{2}-\\d{4}$',
    '^(?:red|green|blue)$',
    '^#[0-9a-fA-F]{6}$',
    '^\\S{1,3}@[\\w.-]{1,4}\\.[a-z]{2,8}$',
    '^[^"a-z\\\\]{3,5}$',
    '^"(quoted|\\\\)"\\t?$',
    '^.{1,4}$',
    '^(?<year>\\d{4})(-\\d\\d)*?$',
    '^[\\u4e00-\\u9fff]{2}$',
  ]
  for (const pattern of patterns) await answers({ type: 'string', pattern })
  for (const [pattern, wanted] of Object.entries({ mill: 'mill', '^a|b$': 'ab' })) {
    const { body } = await engine.post('/tokenize', { prompt: wanted })
    const bias = Object.fromEntries(body.tokens.map((token: number) => [token, 10]))
    await answers({ type: 'string', pattern }, bias)
  }
})

test('maps of names, tuples, single allOf and pointers into lists are followed', async () => {
  const string = { type: 'string', maxLength: 6 }
  const schemas = [
    { type: 'object', propertyNames: { type: 'string' }, additionalProperties: string },
    {
      type: 'object',
      propertyNames: { type: 'string', enum: ['rye', 'wheat'] },
      additionalProperties: { type: 'integer', minimum: 0, maximum: 9 },
      required: ['rye', 'wheat'],
    },
    { type: 'object', propertyNames: { pattern: '^[a-z]{1,3}$' }, additionalProperties: true },
    { type: 'array', prefixItems: [string, { type: 'boolean' }], items: false, minItems: 2 },
    { allOf: [{ $ref: '#/$defs/kind' }], description: 'x', $defs: { kind: { enum: [1, 2] } } },
    { anyOf: [{ const: 'a' }, { type: 'array', items: { $ref: '#/anyOf/0' }, maxItems: 2 }] },
    {
      type: 'array',
      items: { type: 'array', items: string, minItems: 2, maxItems: 2 },
      minItems: 1,
      maxItems: 3,
    },
    { type: 'array', items: string, minItems: 1, maxItems: 1 },
    { type: 'array', items: string, maxItems: 0 },
    { type: 'string', enum: ['a', 1, null, 'b'] },
    { enum: ['a', 1.5, null, true, { b: [1, { c: 'd' }] }, [], ''] },
  ]
  for (const schema of schemas) await answers(schema)
})

const shape = (kind: object, more: object = {}) => ({
  type: 'object',
  properties: { kind, ...more },
  required: ['kind'],
  additionalProperties: false,
})

test('alternatives of which just one may hold are taken where they exclude each other', async () => {
  const tagged = {
    oneOf: [{ $ref: '#/$defs/rye' }, shape({ const: 'wheat' }, { sacks: { type: 'boolean' } })],
    discriminator: { propertyName: 'kind', mapping: { rye: '#/$defs/rye' } },
    $defs: { rye: shape({ type: 'string', enum: ['rye', 'Rye'] }) },
  }
  await answers(tagged)
  await answers({ oneOf: [{ type: 'integer' }, { type: 'null' }, { enum: ['a', 'b'] }] })
})

test('what takes long to make into a grammar, or to follow, is refused', async () => {
  const members = (count: number, member: (i: number) => object) => ({
    type: 'object',
    properties: Object.fromEntries(Array.from({ length: count }, (_, i) => [`p${i}`, member(i)])),
  })
  const text = (i: number) => ({ type: 'string', maxLength: 2000 - i })
  const list = (i: number) => ({ type: 'array', items: { type: 'integer' }, maxItems: 1000 - i })
  const range = (i: number) => ({ type: 'number', minimum: i + 0.123, maximum: 1000.567 + i })
  for (const member of [text, list, range]) {
    const { status, body } = await ask(members(100, member), 1)
    assert.equal(status, 400)
    assert.match(body.error.message, /longer lists and strings than the engine can count/)
    assert.equal((await ask(members(10, member), 1)).status, 200)
    assert.equal(
      (
        await ask(
          members(100, () => member(0)),
          1,
        )
      ).status,
      200,
      'all alike are one',
    )
  }
  const { body } = await ask({ anyOf: Array.from({ length: 65 }, (_, i) => ({ const: i })) }, 1)
  assert.match(body.error.message, /more than 64 alternatives/)
})

test('long lists have as many items as they may', async () => {
  const items = { type: 'integer', minimum: 0, maximum: 9 }
  await answers({ type: 'array', items, minItems: 70, maxItems: 90 })
  await answers({ type: 'array', items, minItems: 66 })
  await answers({ type: 'array', items, minItems: 100, maxItems: 100 })
})

test('what cannot be kept to is refused, with the feature and its place', async () => {
  const refused: [object, RegExp][] = [
    [
      { oneOf: [{ type: 'integer' }, { type: 'number' }] },
      /a oneOf of which several may hold at #,/,
    ],
    [{ oneOf: [shape({ const: 1 }), shape({ type: 'string' })] }, /oneOf/],
    [{ oneOf: [{ $ref: '#/oneOf/1' }, { $ref: '#/oneOf/0' }] }, /oneOf/],
    [{ allOf: [{ type: 'string' }, { minLength: 3 }] }, /an allOf of several/],
    [{ type: 'string', pattern: '^(?=a)b$' }, /a pattern that looks around at #,/],
    [{ type: 'string', pattern: '(a' }, /no regular expression/],
    [{ type: 'string', pattern: '^(a)\\1$' }, /a pattern with \\1/],
    [{ type: 'string', pattern: '\\bmill' }, /a pattern with \\b/],
    [{ type: 'string', pattern: '^(a$)' }, /an anchor inside/],
    [{ type: 'string', pattern: '^a$', maxLength: 3 }, /pattern with a length/],
    [{ type: 'string', pattern: '^a{5000}$' }, /repetitions/],
    [{ type: 'number', minimum: 1e-9 }, /this range of numbers/],
    [{ type: 'number', minimum: 2, exclusiveMaximum: 2 }, /this range of numbers/],
    [{ type: 'number', multipleOf: 5 }, /multipleOf/],
    [{ type: 'array', prefixItems: [true], minItems: 2 }, /other than that of prefixItems/],
    [{ type: 'object', propertyNames: { type: 'integer' } }, /propertyNames/],
    [{ type: 'object', properties: { a: true }, propertyNames: { maxLength: 2 } }, /propertyNames/],
    [{ type: 'string', enum: [1, 2] }, /an empty enum/],
    [{ $ref: '#' }, /more than a grammar can hold/],
    [{ anyOf: [{ $ref: '#' }, { type: 'null' }] }, /more than a grammar can hold/],
  ]
  for (const [schema, message] of refused) {
    const { status, body } = await ask(schema, 1)
    assert.equal(status, 400, JSON.stringify(schema))
    assert.equal(body.error.code, 'unsupported_schema')
    assert.match(body.error.message, message)
  }
})
