import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { Ajv } from 'ajv'
import { startToyEngine, type ToyEngine, textOf, user } from './toy-engine.fixture.ts'

const CHAT = '/v1/chat/completions'
const SEEDS = [1, 2, 3, 4, 5]
let engine: ToyEngine
before(async () => {
  engine = await startToyEngine('markov')
})
after(() => engine.stop())

const schema = {
  type: 'object',
  properties: {
    kind: { enum: ['wheat', 'rye', 'a "quoted" oat'] },
    sacks: { type: 'integer', minimum: 1, maximum: 12 },
    dry: { type: 'boolean' },
    note: { type: ['string', 'null'], maxLength: 10 },
    farm: {
      type: 'object',
      properties: {
        name: { type: 'string', maxLength: 12 },
        since: { type: 'string', format: 'date' },
      },
      required: ['since'],
      additionalProperties: false,
    },
    marks: { type: 'array', items: { type: 'integer', minimum: 0, maximum: 9 }, maxItems: 3 },
    part: { $ref: '#/$defs/part' },
  },
  required: ['kind', 'sacks', 'farm', 'marks'],
  additionalProperties: false,
  $defs: {
    part: {
      anyOf: [
        { type: 'null' },
        { type: 'object', properties: { part: { $ref: '#/$defs/part' } }, required: ['part'] },
      ],
    },
  },
}

test('every answer under a JSON schema is valid, whatever the model would like to say', async () => {
  const valid = new Ajv({ strict: false, validateFormats: false }).compile(schema)
  let finished = 0
  for (const seed of SEEDS) {
    const { status, body } = await engine.post(CHAT, {
      ...user('a form, please'),
      seed,
      max_tokens: 900,
      response_format: { type: 'json_schema', json_schema: { name: 'form', schema } },
    })
    assert.equal(status, 200)
    const choice = body.choices[0]
    if (choice.finish_reason === 'length') continue
    assert.ok(valid(JSON.parse(choice.message.content)), JSON.stringify(valid.errors))
    finished++
  }
  assert.ok(finished > 0)
})

test('the smallest temperatures are none, also under a schema', async () => {
  const format = { response_format: { type: 'json_schema', json_schema: { name: 'x', schema } } }
  for (const fields of [{}, format]) {
    const body = { ...user('x'), ...fields, max_tokens: 30 }
    const contentAt = async (temperature: number) =>
      (await engine.post(CHAT, { ...body, temperature })).body.choices[0].message.content
    const certain = await contentAt(0)
    for (const temperature of [1e-45, 1e-38, 1e-30]) {
      assert.equal(await contentAt(temperature), certain, `${temperature}`)
    }
  }
})

test('an answer under an enum is one of its values, however alike they begin', async () => {
  const values = ['a', 'ab', 'ac', 1, 12, 120, true, null, 'The mill', 'The miller', '🌾', '🌿']
  const format = { json_schema: { name: 'x', schema: { enum: values } }, type: 'json_schema' }
  const seen = new Set<unknown>()
  for (let seed = 0; seed < 40; seed++) {
    const request = { ...user('x'), seed, temperature: 2, max_tokens: 40, response_format: format }
    const { body } = await engine.post(CHAT, request)
    const value = JSON.parse(body.choices[0].message.content)
    assert.ok(values.includes(value), String(value))
    seen.add(value)
  }
  assert.ok(seen.size > 2, [...seen].join())
})

test('json_object gives an object', async () => {
  // The toy model would rarely close a string or an object by itself.
  const { body: closing } = await engine.post('/tokenize', { prompt: '"}' })
  const logit_bias = Object.fromEntries(closing.tokens.map((token: number) => [token, 12]))
  const format = { response_format: { type: 'json_object' }, max_tokens: 1500, logit_bias }
  const finished = []
  for (const seed of SEEDS) {
    const { body } = await engine.post(CHAT, { ...user('x'), ...format, seed })
    const [choice] = body.choices
    assert.equal(choice.message.content[0], '{')
    if (choice.finish_reason === 'stop') finished.push(JSON.parse(choice.message.content))
  }
  assert.ok(finished.length > 0)
})

test('a schema that cannot be enforced is refused with the feature and its place', async () => {
  const refused: [object, RegExp][] = [
    [{ type: 'object', properties: { a: { allOf: [] } } }, /allOf at #\/properties\/a/],
    [{ type: 'object', properties: {}, required: ['a'] }, /required/],
    [{ type: 'object', properties: { a: {} }, required: 'a' }, /required that is no list at #,/],
    [{ $ref: 'https://example.org/x' }, /\$ref/],
    [{ anyOf: [] }, /an empty anyOf at #,/],
    [{ type: 'array', items: { type: [] } }, /an empty type at #\/items,/],
    [{ type: 'string', minLength: 5, maxLength: 3 }, /maxLength below minLength at #,/],
    [{ $ref: '#/%' }, /unresolvable \$ref #\/%/],
    [{ $ref: '#/__proto__' }, /unresolvable/],
    [{ type: 'integer', minimum: 0, exclusiveMinimum: 8, maximum: 8 }, /range of integers/],
    [{ type: 'array', maxItems: 2000 }, /maxItems outside 0 to 1000/],
    [{ enum: Array.from({ length: 2001 }, (_, i) => i) }, /more than 2000 fixed values/],
    [{ const: 'x'.repeat(150_000) }, /more text/],
    [{ enum: Array.from({ length: 2000 }, (_, i) => 'x'.repeat(i)) }, /more text/],
  ]
  for (const [inner, message] of refused) {
    const { status, body } = await engine.post(CHAT, {
      ...user('x'),
      response_format: { type: 'json_schema', json_schema: { name: 'x', schema: inner } },
    })
    assert.equal(status, 400)
    assert.equal(body.error.code, 'unsupported_schema')
    assert.match(body.error.message, message)
  }
})

test('integers keep to the tighter of their bounds, and to those that libraries write', async () => {
  const [min, max] = [Number.MIN_SAFE_INTEGER, Number.MAX_SAFE_INTEGER]
  const bounds = [
    { minimum: min, maximum: max },
    { exclusiveMinimum: 0, maximum: max },
    { minimum: 0, exclusiveMinimum: 5, maximum: 8, exclusiveMaximum: 8 },
  ]
  for (const inner of bounds.map((bound) => ({ type: 'integer', ...bound }))) {
    const valid = new Ajv({ strict: false }).compile(inner)
    for (const seed of SEEDS) {
      const json_schema = { name: 'x', schema: inner }
      const format = { response_format: { type: 'json_schema', json_schema } }
      const { body } = await engine.post(CHAT, { ...user('x'), seed, max_tokens: 40, ...format })
      assert.ok(valid(JSON.parse(body.choices[0].message.content)), JSON.stringify(valid.errors))
    }
  }
})

const tools = [
  {
    type: 'function',
    function: {
      name: 'grind',
      description: 'Grinds grain.',
      parameters: {
        type: 'object',
        properties: {
          sacks: { type: 'integer', minimum: 1, maximum: 9 },
          fine: { type: 'boolean' },
        },
        required: ['sacks'],
      },
    },
  },
  { type: 'function', function: { name: 'weigh' } },
]

test('a tool whose grammar cannot be held is refused as a tool', async () => {
  const endless = { type: 'function', function: { name: 'x', parameters: { $ref: '#' } } }
  const { body } = await engine.post(CHAT, { ...user('x'), tools: [endless] })
  assert.deepEqual([body.error.code, body.error.param], ['unsupported_schema', 'tools'])
})

test('a required tool is called in the OpenAI shape, with valid arguments', async () => {
  const body = { ...user('grind it'), tools, tool_choice: 'required', parallel_tool_calls: false }
  for (const seed of SEEDS) {
    const answer = await engine.post(CHAT, { ...body, seed, max_tokens: 200 })
    const [choice] = answer.body.choices
    assert.equal(choice.finish_reason, 'tool_calls')
    assert.equal(choice.message.content, null)
    assert.equal(choice.message.tool_calls.length, 1)
    const [call] = choice.message.tool_calls
    assert.match(call.id, /^call_/)
    assert.ok(['grind', 'weigh'].includes(call.function.name))
    const parsed = JSON.parse(call.function.arguments)
    if (call.function.name === 'grind') assert.ok(parsed.sacks >= 1 && parsed.sacks <= 9)
  }
})

test('arguments are an object, also where the schema of a tool is empty', async () => {
  const { body: closing } = await engine.post('/tokenize', { prompt: '"}' })
  const logit_bias = Object.fromEntries(closing.tokens.map((token: number) => [token, 12]))
  const open = [{ type: 'function', function: { name: 'stop', parameters: {} } }]
  const body = { ...user('x'), tools: open, tool_choice: 'required', parallel_tool_calls: false }
  for (const seed of SEEDS) {
    const answer = await engine.post(CHAT, { ...body, logit_bias, seed, max_tokens: 900 })
    const [call] = answer.body.choices[0].message.tool_calls
    assert.equal(call.function.arguments[0], '{')
    if (answer.body.choices[0].finish_reason === 'tool_calls') JSON.parse(call.function.arguments)
  }
})

const callsOf = async (body: object, seed: number) => {
  const answer = await engine.post(CHAT, { ...user('x'), tools, max_tokens: 200, ...body, seed })
  assert.equal(answer.status, 200, JSON.stringify(answer.body))
  const { content, tool_calls: calls = [] } = answer.body.choices[0].message
  const names = calls.map((call: { function: { name: string } }) => call.function.name)
  return { content, names }
}

test('of the allowed tools only are any called', async () => {
  const named = (name: string) => ({ type: 'function', function: { name } })
  const only = (mode: string, ...names: string[]) => ({
    tool_choice: { type: 'allowed_tools', allowed_tools: { mode, tools: names.map(named) } },
  })
  for (const seed of SEEDS) {
    const { names } = await callsOf(only('required', 'grind'), seed)
    assert.ok(names.length > 0)
    assert.deepEqual(new Set(names), new Set(['grind']))
  }
  const { status, body } = await engine.post(CHAT, { ...user('x'), tools, ...only('auto', 'bake') })
  assert.equal(status, 400)
  assert.match(body.error.message, /no tool named bake/)
})

test('beside a format tools may still be called, and what is no call has the format', async () => {
  const json_schema = { name: 'x', schema: { type: 'boolean' } }
  const format = { response_format: { type: 'json_schema', json_schema } }
  const { body: opening } = await engine.post('/tokenize', { prompt: '<' })
  const seen = new Set<string>()
  for (const bias of [100, -100])
    for (const seed of SEEDS) {
      const logit_bias = { [opening.tokens[0]]: bias }
      const { content, names } = await callsOf({ ...format, logit_bias }, seed)
      if (names.length === 0) assert.match(content, /^(true|false)$/)
      seen.add(names.length > 0 ? 'called' : 'answered')
    }
  assert.deepEqual(seen, new Set(['called', 'answered']))
})

test('the form of calls before tools is refused rather than passed over', async () => {
  for (const fields of [{ functions: [tools[0]?.function] }, { function_call: 'auto' }]) {
    const { status, body } = await engine.post(CHAT, { ...user('x'), ...fields })
    assert.equal(status, 400)
    assert.equal(body.error.code, 'unsupported_parameter')
    assert.match(body.error.message, /tools and tool_choice/)
  }
  const past = [
    { role: 'user', content: 'weigh it' },
    { role: 'assistant', content: null, function_call: { name: 'weigh', arguments: '{}' } },
  ]
  const call = { id: 'c', type: 'function', function: { name: 'weigh', arguments: '{}' } }
  const now = [past[0], { role: 'assistant', content: null, tool_calls: [call] }]
  const [then, today] = [
    await engine.post('/tokenize', { messages: past }),
    await engine.post('/tokenize', { messages: now }),
  ]
  assert.deepEqual(then.body.tokens, today.body.tokens)
})

test('a schema of a tool that cannot be enforced is told as one of tools', async () => {
  const parameters = { type: 'object', properties: { a: { not: {} } } }
  const odd = [{ type: 'function', function: { name: 'odd', parameters } }]
  const { body } = await engine.post(CHAT, { ...user('x'), tools: odd })
  assert.equal(body.error.param, 'tools')
})

test('a least number of tokens gives way to a format that is complete', async () => {
  const json_schema = { name: 'x', schema: { type: 'boolean' } }
  const format = { response_format: { type: 'json_schema', json_schema } }
  const { body } = await engine.post(CHAT, { ...user('x'), ...format, min_tokens: 50 })
  assert.ok(body.usage.completion_tokens < 50)
  assert.equal(body.choices[0].finish_reason, 'stop')
})

test('a tool_choice of null is none at all', async () => {
  const json_schema = { name: 'x', schema: { type: 'boolean' } }
  const format = { response_format: { type: 'json_schema', json_schema }, max_tokens: 100 }
  const asked = { ...user('x'), tools, temperature: 0, ...format }
  const [none, absent] = [
    await engine.post(CHAT, { ...asked, tool_choice: null }),
    await engine.post(CHAT, asked),
  ]
  assert.equal(none.status, 200)
  const said = ({ body }: typeof none) => {
    const { content, tool_calls: calls = [] } = body.choices[0].message
    return [content, calls.map((call: { function: object }) => call.function)]
  }
  assert.deepEqual(said(none), said(absent))
})

test('a streamed call arrives as name first and pieces of its arguments after', async () => {
  const choice = { type: 'function', function: { name: 'grind' } }
  const body = { ...user('x'), tools, tool_choice: choice, seed: 2, max_tokens: 200 }
  const events = await engine.stream(CHAT, body)
  const deltas = events.flatMap((event) => event.choices[0]?.delta.tool_calls ?? [])
  assert.equal(deltas[0].function.name, 'grind')
  assert.equal(deltas[0].type, 'function')
  assert.ok(deltas.length > 2)
  const parsed = JSON.parse(deltas.map((delta) => delta.function.arguments).join(''))
  assert.ok(parsed.sacks >= 1)
  assert.equal(textOf(events), '')
  assert.equal(events.at(-1).choices[0].finish_reason, 'tool_calls')
})

test('with auto the model may answer in words; with none it is not told of tools', async () => {
  const auto = await engine.post(CHAT, { ...user('x'), tools, seed: 1, max_tokens: 20 })
  assert.equal(auto.status, 200)
  const none = await engine.post('/tokenize', { ...user('x'), tools, tool_choice: 'none' })
  const bare = await engine.post('/tokenize', user('x'))
  assert.equal(none.body.count, bare.body.count)
})

test('a past call whose arguments are nested too deeply is no error of the engine', async () => {
  const deep = `${'['.repeat(20_000)}${']'.repeat(20_000)}`
  const call = { id: 'c', type: 'function', function: { name: 'weigh', arguments: deep } }
  const messages = [
    { role: 'user', content: 'x' },
    { role: 'assistant', tool_calls: [call] },
  ]
  const answer = await engine.post(CHAT, { messages, tools, max_tokens: 10 })
  assert.equal(answer.status, 400)
  assert.equal(answer.body.error.code, 'context_length_exceeded')
})

test('a conversation with calls and results is accepted', async () => {
  const call = { id: 'call_1', type: 'function', function: { name: 'weigh', arguments: '{}' } }
  const messages = [
    { role: 'user', content: 'weigh it' },
    { role: 'assistant', content: null, tool_calls: [call] },
    { role: 'tool', tool_call_id: 'call_1', content: '12 pounds' },
  ]
  const answer = await engine.post(CHAT, { messages, tools, max_tokens: 10 })
  assert.equal(answer.status, 200)
})
