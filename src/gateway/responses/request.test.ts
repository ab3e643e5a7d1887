/** What a Responses request becomes at an engine, and what is refused with which words. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { GristmillError } from '../../base/index.ts'
import { testLimits } from '../test-gateway.ts'
import { responsesFields } from './fields.ts'
import { readResponses } from './request.ts'

type Fields = Record<string, unknown>

const read = (fields: Fields) => {
  const body = { model: 'mill', input: 'Hello', ...fields }
  return readResponses(Buffer.from(JSON.stringify(body)), testLimits)
}
const chat = (fields: Fields) => read(fields).canonical.fields
const hello = { role: 'user', content: 'Hello' }

test('a plain question becomes a plain question', () => {
  assert.deepEqual(chat({}), { model: 'mill', messages: [hello] })
  assert.deepEqual(chat({ instructions: 'Be brief.' }).messages, [
    { role: 'system', content: 'Be brief.' },
    hello,
  ])
})

test('items of the assistant that belong together are one message', () => {
  const input = [
    { role: 'developer', content: 'Be brief.' },
    { type: 'message', role: 'user', content: [{ type: 'input_text', text: 'Weather?' }] },
    { type: 'reasoning', id: 'rs', summary: [], content: [{ type: 'reasoning_text', text: 'Hm' }] },
    { role: 'assistant', content: [{ type: 'output_text', text: 'I look.' }] },
    { type: 'function_call', call_id: 'c1', name: 'weather', arguments: '{}' },
    { type: 'function_call', call_id: 'c2', name: 'read', namespace: 'fs', arguments: '{"p":1}' },
    { type: 'function_call_output', call_id: 'c1', output: 'rain' },
    { type: 'function_call_output', call_id: 'c2', output: [{ type: 'input_text', text: 'x' }] },
    { type: 'reasoning', id: 'rs', summary: [{ type: 'summary_text', text: 'sealed' }] },
    { role: 'assistant', content: 'Rain.' },
    { role: 'user', content: [{ type: 'input_image', image_url: 'https://example.org/a.png' }] },
  ]
  const call = (id: string, name: string, text: string) => ({
    id,
    type: 'function',
    function: { name, arguments: text },
  })
  assert.deepEqual(chat({ input }).messages, [
    { role: 'system', content: 'Be brief.' },
    { role: 'user', content: 'Weather?' },
    {
      role: 'assistant',
      content: 'I look.',
      reasoning_content: 'Hm',
      tool_calls: [call('c1', 'weather', '{}'), call('c2', 'fs__read', '{"p":1}')],
    },
    { role: 'tool', tool_call_id: 'c1', content: 'rain' },
    { role: 'tool', tool_call_id: 'c2', content: 'x' },
    { role: 'assistant', content: 'Rain.' },
    {
      role: 'user',
      content: [{ type: 'image_url', image_url: { url: 'https://example.org/a.png' } }],
    },
  ])
})

test('tools, the choice among them, and those of namespaces by flat names', () => {
  const parameters = { type: 'object' }
  const tool = (name: string) => ({ type: 'function', name, parameters, strict: true })
  const tools = [tool('weather'), { type: 'namespace', name: 'fs', tools: [tool('read')] }]
  const { canonical, namespaced } = read({
    tools,
    tool_choice: { type: 'function', name: 'weather' },
    parallel_tool_calls: false,
  })
  const known = (name: string) => ({
    type: 'function',
    function: { name, parameters, strict: true },
  })
  assert.deepEqual(canonical.fields.tools, [known('weather'), known('fs__read')])
  assert.deepEqual(canonical.fields.tool_choice, {
    type: 'function',
    function: { name: 'weather' },
  })
  assert.equal(canonical.fields.parallel_tool_calls, false)
  assert.deepEqual([...namespaced], [['fs__read', { namespace: 'fs', name: 'read' }]])
})

test('bounds, sampling and the shape of the answer', () => {
  const schema = { type: 'object' }
  const given = {
    max_output_tokens: 50,
    temperature: 0.5,
    seed: 3,
    reasoning: { effort: 'low', summary: 'auto' },
    text: { format: { type: 'json_schema', name: 'mill', schema, strict: true } },
    store: true,
    include: ['reasoning.encrypted_content'],
    background: false,
  }
  assert.deepEqual(chat(given), {
    model: 'mill',
    messages: [hello],
    max_tokens: 50,
    temperature: 0.5,
    seed: 3,
    reasoning_effort: 'low',
    response_format: { type: 'json_schema', json_schema: { name: 'mill', schema, strict: true } },
  })
})

test('what the gateway itself needs is read, and engines are not told who asks', () => {
  const { canonical } = read({ stream: true, user: 'anna', service_tier: 'flex' })
  const { door, endpoint, stream, includeUsage, endUser, serviceTier, outputTokensAsked } =
    canonical
  assert.deepEqual(
    [door, endpoint, stream, includeUsage, endUser, serviceTier, outputTokensAsked],
    ['/v1/responses', '/v1/chat/completions', true, true, 'anna', 'flex', null],
  )
  assert.deepEqual(JSON.parse(canonical.raw.toString()), canonical.fields)
  assert.deepEqual(canonical.fields, {
    model: 'mill',
    messages: [hello],
    stream: true,
    stream_options: { include_usage: true },
  })
})

/** A request, the field that is wrong, and what is said about it. */
const wrong: [Fields, string, RegExp][] = [
  [{ model: undefined }, 'model', /is missing/],
  [{ input: [] }, 'input', /must not be empty/],
  [{ input: [{ type: 'item_reference', id: 'x' }] }, 'input.0.type', /send the whole input/],
  [{ input: [{ type: 'toString' }] }, 'input.0.type', /no such item/],
  [
    { input: [{ role: 'user', content: [{ type: 'input_file' }] }] },
    'input.0.content.0.type',
    /text/,
  ],
  [{ previous_response_id: 'resp_1' }, 'previous_response_id', /send the whole input/],
  [{ background: true }, 'background', /use a batch/],
  [{ truncation: 'auto' }, 'truncation', /nothing is left out/],
  [{ tools: [{ type: 'web_search' }] }, 'tools.0.type', /web_search/],
  [{ tool_choice: { type: 'mcp' } }, 'tool_choice.type', /functions only/],
  [{ max_output_tokens: 0 }, 'max_output_tokens', /at least 1/],
  [{ messages: [] }, 'messages', /no such field/],
]

for (const [fields, param, words] of wrong) {
  test(`a wrong request is told by the field: ${JSON.stringify(fields)}`, () => {
    assert.throws(
      () => read(fields),
      (error) => {
        assert.ok(error instanceof GristmillError)
        assert.equal(error.details.param, param)
        assert.match(error.message, words)
        return true
      },
    )
  })
}

test('every field of the table is dealt with as it says', () => {
  for (const [name, { fate }] of Object.entries(responsesFields)) {
    if (fate === 'refused') assert.throws(() => chat({ [name]: 'x' }), /not supported here/)
    if (fate === 'ignored') assert.deepEqual(chat({ [name]: 'x' }), chat({}))
    if (fate === 'passed on') assert.equal(chat({ [name]: 3 })[name], 3)
  }
})
