/** What a Responses request becomes at an engine, and what is refused with which words. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { GristmillError } from '../../base/index.ts'
import { testLimits } from '../test-gateway.ts'
import { responsesFields, responsesTools } from './fields.ts'
import { readResponses } from './request.ts'

type Fields = Record<string, unknown>

const read = (fields: Fields) => {
  const body = { model: 'mill', input: 'Hello', ...fields }
  return readResponses(body, testLimits)
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

test('an answer that broke off in its thoughts is a message without text', () => {
  const thought = { type: 'reasoning', content: [{ type: 'reasoning_text', text: 'Hm' }] }
  assert.deepEqual(chat({ input: [thought, { role: 'user', content: 'Hello' }] }).messages, [
    { role: 'assistant', content: '', reasoning_content: 'Hm' },
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
  const { canonical, tools: known } = read({
    tools,
    tool_choice: { type: 'function', name: 'weather' },
    parallel_tool_calls: false,
  })
  const offered = (name: string) => ({
    type: 'function',
    function: { name, parameters, strict: true },
  })
  assert.deepEqual(canonical.fields.tools, [offered('weather'), offered('fs__read')])
  assert.deepEqual(canonical.fields.tool_choice, {
    type: 'function',
    function: { name: 'weather' },
  })
  assert.equal(canonical.fields.parallel_tool_calls, false)
  const read1 = { type: 'function', namespace: 'fs', name: 'read' }
  assert.deepEqual([...known], [['fs__read', read1]])
})

test('custom tools are functions with one text, in namespaces and in the input as well', () => {
  const definition = 'start: "go"'
  const format = { type: 'grammar', syntax: 'lark', definition }
  const patch = { type: 'custom', name: 'patch', description: 'Edits.', format }
  const run = { type: 'custom', name: 'run', format: { type: 'text' } }
  const { canonical, tools } = read({
    tools: [patch, { type: 'namespace', name: 'os', description: 'x', tools: [run] }],
    tool_choice: { type: 'custom', name: 'patch' },
    input: [
      { role: 'user', content: 'Go' },
      { type: 'additional_tools', role: 'developer', tools: [{ type: 'function', name: 'late' }] },
      { type: 'custom_tool_call', call_id: 'c', name: 'run', namespace: 'os', input: 'a "b"' },
      { type: 'custom_tool_call_output', call_id: 'c', output: 'done' },
    ],
  })
  const { fields } = canonical
  const offered = fields.tools as { function: { name: string; description?: string } }[]
  assert.deepEqual(
    offered.map((one) => one.function.name),
    ['patch', 'os__run', 'late'],
  )
  assert.match(offered[0]?.function.description ?? '', /^Edits\.\n\n.*lark grammar:\nstart: "go"$/)
  assert.deepEqual(
    [...tools.values()],
    [
      { type: 'custom', name: 'patch' },
      { type: 'custom', name: 'run', namespace: 'os' },
    ],
  )
  assert.deepEqual(fields.tool_choice, { type: 'function', function: { name: 'patch' } })
  assert.deepEqual((fields.messages as object[]).slice(1), [
    {
      role: 'assistant',
      content: null,
      tool_calls: [
        {
          id: 'c',
          type: 'function',
          function: { name: 'os__run', arguments: '{"input":"a \\"b\\""}' },
        },
      ],
    },
    { role: 'tool', tool_call_id: 'c', content: 'done' },
  ])
})

test('of allowed tools the others are not offered', () => {
  const tools = ['a', 'b', 'c'].map((name) => ({ type: 'function', name }))
  const allowed = [
    { type: 'function', name: 'c' },
    { type: 'function', name: 'a' },
  ]
  const asked = chat({
    tools,
    tool_choice: { type: 'allowed_tools', mode: 'required', tools: allowed },
  })
  assert.equal(asked.tool_choice, 'required')
  const offered = asked.tools as { function: { name: string } }[]
  assert.deepEqual(
    offered.map((tool) => tool.function.name),
    ['a', 'c'],
  )
})

test('a choice among no tools is not told to engines, which refuse it', () => {
  const idle = { tools: [], parallel_tool_calls: false }
  for (const choice of ['auto', 'none']) {
    assert.deepEqual(chat({ ...idle, tool_choice: choice }), chat({}))
  }
  assert.equal(chat({ ...idle, tool_choice: 'required' }).tool_choice, 'required')
  const tools = [{ type: 'function', name: 'a' }]
  const { tool_choice, parallel_tool_calls } = chat({ ...idle, tools, tool_choice: 'auto' })
  assert.deepEqual([tool_choice, parallel_tool_calls], ['auto', false])
})

test("a client's search for tools is a function, and what it finds is offered", () => {
  const parameters = { type: 'object' }
  const found = { type: 'function', name: 'read', defer_loading: true, parameters }
  const { canonical, tools } = read({
    tools: [{ type: 'tool_search', execution: 'client', description: 'Finds tools.', parameters }],
    input: [
      { role: 'user', content: 'Go' },
      { type: 'tool_search_call', call_id: 'c', execution: 'client', arguments: { query: 'x' } },
      {
        type: 'tool_search_output',
        call_id: 'c',
        execution: 'client',
        tools: [{ type: 'namespace', name: 'fs', description: 'x', tools: [found] }],
      },
    ],
  })
  assert.deepEqual(canonical.fields.tools, [
    {
      type: 'function',
      function: { name: 'tool_search', description: 'Finds tools.', parameters },
    },
    { type: 'function', function: { name: 'fs__read', parameters } },
  ])
  const called = { name: 'tool_search', arguments: '{"query":"x"}' }
  assert.deepEqual((canonical.fields.messages as object[]).slice(1), [
    {
      role: 'assistant',
      content: null,
      tool_calls: [{ id: 'c', type: 'function', function: called }],
    },
    { role: 'tool', tool_call_id: 'c', content: 'Tools that were found: fs__read' },
  ])
  assert.equal(tools.get('tool_search')?.type, 'tool_search')
})

test('tools that agent programs always name are left out beside others, and refused alone', () => {
  const hosted = [{ type: 'web_search', external_web_access: false }, { type: 'image_generation' }]
  const own = { type: 'function', name: 'weather' }
  assert.deepEqual(chat({ tools: [...hosted, own] }).tools, [
    { type: 'function', function: { name: 'weather' } },
  ])
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
  [{ input: 5 }, 'input', /must be a string or a list/],
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
  [{ tools: [{ type: 'web_search' }] }, 'tools.0', /web_search/],
  [{ tools: [{ type: 'file_search' }] }, 'tools.0.type', /run by the client/],
  [{ tools: [{ type: 'tool_search', execution: 'server' }] }, 'tools.0.execution', /client/],
  [{ tools: [{ type: 'toString' }] }, 'tools.0.type', /functions only/],
  [{ tools: ['w', 'w'].map((name) => ({ type: 'function', name })) }, 'tools', /are called w/],
  [{ store: 'yes' }, 'store', /true or false/],
  [{ tools: [{ type: 'custom' }] }, 'tools.0.name', /is missing/],
  [{ tool_choice: { type: 'mcp' } }, 'tool_choice.type', /functions only/],
  [{ tool_choice: { type: 'function', name: 'x' } }, 'tool_choice', /no tool named x/],
  [
    { tool_choice: { type: 'allowed_tools', mode: 'auto', tools: [{ type: 'mcp' }] } },
    'tool_choice.tools.0.type',
    /functions only/,
  ],
  [{ metadata: 'x' }, 'metadata', /must be an object/],
  [{ metadata: { a: 1 } }, 'metadata.a', /must be a string/],
  [{ metadata: { a: 'x'.repeat(513) } }, 'metadata.a', /at most 512/],
  [{ metadata: { ['x'.repeat(65)]: 'a' } }, 'metadata', /at most 64/],
  [
    { metadata: Object.fromEntries(Array.from({ length: 17 }, (_, i) => [i, ''])) },
    'metadata',
    /at most 16/,
  ],
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

test('every tool of the table is dealt with as it says', () => {
  const own = { type: 'function', name: 'own' }
  for (const [type, { fate }] of Object.entries(responsesTools)) {
    const tools = [own, { type, name: 'x', tools: [own], execution: 'client' }]
    if (fate === 'refused') assert.throws(() => chat({ tools }), /not supported here/)
    else assert.equal((chat({ tools }).tools as object[]).length, fate === 'ignored' ? 1 : 2)
  }
})
