/** What a Messages request becomes at an engine, and what is refused with which words. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { GristmillError } from '../../base/index.ts'
import { testLimits } from '../test-gateway.ts'
import { OWN_SIGNATURE } from './content.ts'
import { messagesFields } from './fields.ts'
import { chatFields, readMessages } from './request.ts'

type Fields = Record<string, unknown>

const hello = [{ role: 'user', content: 'Hello' }]
const chat = (fields: Fields): Fields => chatFields({ model: 'mill', messages: hello, ...fields })
const read = (fields: Fields) => {
  const body = { model: 'mill', max_tokens: 9, messages: hello, ...fields }
  return readMessages(Buffer.from(JSON.stringify(body)), testLimits)
}
const messagesOf = (content: unknown, role = 'user') => {
  const messages = [{ role, content }, ...(role === 'assistant' ? hello : [])]
  const all = chat({ messages }).messages as Fields[]
  return role === 'assistant' ? all.slice(0, -1) : all
}

test('a plain question becomes a plain question', () => {
  assert.deepEqual(chat({}), { model: 'mill', messages: hello })
  assert.deepEqual(read({}).fields, { model: 'mill', messages: hello })
})

test('system prompts come first, as text or block by block, and may come later', () => {
  const system = [
    { type: 'text', text: 'Be brief.', cache_control: { type: 'ephemeral' } },
    { type: 'text', text: 'Be kind.' },
  ]
  const parts = system.map(({ type, text }) => ({ type, text }))
  assert.deepEqual(chat({ system: 'Be brief.' }).messages, [
    { role: 'system', content: 'Be brief.' },
    ...hello,
  ])
  const later = { role: 'system', content: 'Be quick.' }
  assert.deepEqual(chat({ system, messages: [...hello, later] }).messages, [
    { role: 'system', content: parts },
    ...hello,
    later,
  ])
})

test('calls of tools and their results become those of the chat', () => {
  const input = { city: 'Oslo', days: [1, 2] }
  const messages = [
    ...hello,
    {
      role: 'assistant',
      content: [
        { type: 'text', text: 'I look.' },
        { type: 'tool_use', id: 't1', name: 'weather', input },
        { type: 'tool_use', id: 't2', name: 'clock', input: {} },
      ],
    },
    {
      role: 'user',
      content: [
        { type: 'tool_result', tool_use_id: 't1', content: 'rain' },
        {
          type: 'tool_result',
          tool_use_id: 't2',
          is_error: true,
          content: [{ type: 'text', text: 'no clock' }],
        },
        { type: 'text', text: 'Well?' },
      ],
    },
  ]
  const call = (id: string, name: string, text: string) => ({
    id,
    type: 'function',
    function: { name, arguments: text },
  })
  assert.deepEqual(chat({ messages }).messages, [
    ...hello,
    {
      role: 'assistant',
      content: 'I look.',
      tool_calls: [call('t1', 'weather', JSON.stringify(input)), call('t2', 'clock', '{}')],
    },
    { role: 'tool', tool_call_id: 't1', content: 'rain' },
    { role: 'tool', tool_call_id: 't2', content: 'Error: no clock' },
    { role: 'user', content: 'Well?' },
  ])
})

test('pictures go where a chat can have them', () => {
  const image = {
    type: 'image',
    source: { type: 'base64', media_type: 'image/png', data: 'AAAA' },
  }
  const part = { type: 'image_url', image_url: { url: 'data:image/png;base64,AAAA' } }
  const byUrl = { type: 'image', source: { type: 'url', url: 'https://example.org/a.png' } }
  assert.deepEqual(messagesOf([{ type: 'text', text: 'What is it?' }, image, byUrl]), [
    {
      role: 'user',
      content: [
        { type: 'text', text: 'What is it?' },
        part,
        { type: 'image_url', image_url: { url: 'https://example.org/a.png' } },
      ],
    },
  ])
  const result = { type: 'tool_result', tool_use_id: 't', content: [image] }
  assert.deepEqual(messagesOf([result]), [
    { role: 'tool', tool_call_id: 't', content: '' },
    { role: 'user', content: [part] },
  ])
})

test('documents of text become text', () => {
  const source = { type: 'text', media_type: 'text/plain', data: 'All about mills.' }
  assert.deepEqual(messagesOf([{ type: 'document', source }]), [
    { role: 'user', content: 'All about mills.' },
  ])
  const blocks = { type: 'content', content: [{ type: 'text', text: 'a' }] }
  assert.deepEqual(messagesOf([{ type: 'document', title: 'A', source: blocks }]), [
    {
      role: 'user',
      content: [
        { type: 'text', text: 'A\n\n' },
        { type: 'text', text: 'a' },
      ],
    },
  ])
})

test('thinking goes back to whom it came from, and nobody else is shown it', () => {
  const thinking = (signature: string) => [
    { type: 'thinking', thinking: 'Hm.', signature },
    { type: 'redacted_thinking', data: 'xyz' },
    { type: 'text', text: 'Yes.' },
  ]
  assert.deepEqual(messagesOf(thinking(OWN_SIGNATURE), 'assistant'), [
    { role: 'assistant', content: 'Yes.', reasoning_content: 'Hm.' },
  ])
  assert.deepEqual(messagesOf(thinking('EqQBCg…'), 'assistant'), [
    { role: 'assistant', content: 'Yes.' },
  ])
})

test('a line on whom another service should bill is left out', () => {
  const billing = { type: 'text', text: 'x-anthropic-billing-header: cc_version=1;' }
  const system = (given: object[]) =>
    (chat({ system: given }).messages as Fields[]).find(({ role }) => role === 'system')
  assert.equal(system([billing, { type: 'text', text: 'Be brief.' }])?.content, 'Be brief.')
})

test('deferred tools are shown once a result names them', () => {
  const tool = (name: string, isDeferred: boolean) => ({
    name,
    input_schema: { type: 'object' },
    defer_loading: isDeferred,
  })
  const tools = [tool('search', false), tool('found', true), tool('other', true)]
  const names = (messages: object[]) =>
    (chat({ tools, messages }).tools as { function: { name: string } }[]).map(
      (one) => one.function.name,
    )
  assert.deepEqual(names(hello), ['search'])
  const content = [{ type: 'tool_reference', tool_name: 'found' }]
  const result = { type: 'tool_result', tool_use_id: 't', content }
  assert.deepEqual(names([...hello, { role: 'user', content: [result] }]), ['search', 'found'])
})

test('tools and the choice among them', () => {
  const schema = { type: 'object', properties: { city: { type: 'string' } } }
  const tool = {
    name: 'weather',
    description: 'Of a city',
    input_schema: schema,
    cache_control: { type: 'ephemeral' },
    eager_input_streaming: true,
  }
  const described = { name: 'weather', description: 'Of a city', parameters: schema }
  assert.deepEqual(chat({ tools: [tool] }).tools, [{ type: 'function', function: described }])
  const choices: [Fields, Fields][] = [
    [{ type: 'auto' }, { tool_choice: 'auto' }],
    [{ type: 'any' }, { tool_choice: 'required' }],
    [{ type: 'none' }, { tool_choice: 'none' }],
    [
      { type: 'tool', name: 'weather', disable_parallel_tool_use: true },
      {
        tool_choice: { type: 'function', function: { name: 'weather' } },
        parallel_tool_calls: false,
      },
    ],
  ]
  for (const [given, wanted] of choices) {
    const { tool_choice, parallel_tool_calls } = chat({ tools: [tool], tool_choice: given })
    const found = { tool_choice, ...(parallel_tool_calls !== undefined && { parallel_tool_calls }) }
    assert.deepEqual(found, wanted)
  }
  const tools = [{ ...tool, defer_loading: true }]
  for (const type of ['auto', 'none']) {
    // Of a choice where there is nothing to choose from, engines want to hear nothing.
    assert.deepEqual(chat({ tool_choice: { type } }), chat({}))
    assert.deepEqual(chat({ tools, tool_choice: { type } }), chat({}))
  }
})

test('sampling, stops and the shape of the answer', () => {
  const schema = { type: 'object' }
  const given = {
    temperature: 0.5,
    top_p: 0.9,
    top_k: 20,
    stop_sequences: ['END'],
    output_config: { format: { type: 'json_schema', schema }, effort: 'xhigh' },
    thinking: { type: 'adaptive' },
    context_management: { edits: [] },
    seed: 7,
  }
  assert.deepEqual(chat(given), {
    model: 'mill',
    messages: hello,
    temperature: 0.5,
    top_p: 0.9,
    top_k: 20,
    seed: 7,
    stop: ['END'],
    response_format: {
      type: 'json_schema',
      json_schema: { name: 'answer', strict: true, schema },
    },
    reasoning_effort: 'high',
  })
})

test('what the gateway itself needs is read', () => {
  const request = read({
    stream: true,
    service_tier: 'standard_only',
    metadata: { user_id: 'anna' },
  })
  const { door, endpoint, stream, includeUsage, choices, serviceTier, endUser } = request
  assert.deepEqual(
    { door, endpoint, stream, includeUsage, choices, serviceTier, endUser },
    {
      door: '/v1/messages',
      endpoint: '/v1/chat/completions',
      stream: true,
      includeUsage: true,
      choices: 1,
      serviceTier: 'default',
      endUser: 'anna',
    },
  )
  assert.equal('metadata' in request.fields, false, 'engines are not told who asks')
  assert.deepEqual(JSON.parse(request.raw.toString()), request.fields)
  assert.equal(read({ service_tier: 'auto' }).serviceTier, null)
})

test('max_tokens is needed, and lowered to what the operator allows', () => {
  assert.equal(read({ max_tokens: 100 }).outputTokensAtMost, 100)
  assert.equal(read({ max_tokens: 1e6 }).outputTokensAtMost, testLimits.outputTokensMax)
  assert.throws(() => read({ max_tokens: undefined }), /max_tokens: it is missing/)
})

/** A request, the field that is wrong, and what is said about it. */
const wrong: [Fields, string, RegExp][] = [
  [{ model: undefined }, 'model', /is missing/],
  [{ messages: [] }, 'messages', /must not be empty/],
  [{ messages: 'Hello' }, 'messages', /must be a list/],
  [{ messages: [{ role: 'robot', content: 'x' }] }, 'messages.0.role', /user, assistant, system/],
  [{ messages: [{ role: 'user', content: 5 }] }, 'messages.0.content', /a string or a list/],
  [{ messages: [{ role: 'user', content: [{}] }] }, 'messages.0.content.0.type', /is missing/],
  [
    { messages: [{ role: 'user', content: [{ type: 'text' }] }] },
    'messages.0.content.0.text',
    /is missing/,
  ],
  [
    { messages: [{ role: 'user', content: [{ type: 'search_result' }] }] },
    'messages.0.content.0.type',
    /search_result: an engine cannot cite it/,
  ],
  [
    { messages: [{ role: 'user', content: [{ type: 'song' }] }] },
    'messages.0.content.0.type',
    /song: such a block cannot stand here/,
  ],
  [
    { messages: [...hello, { role: 'assistant', content: '{' }] },
    'messages.1',
    /cannot be continued/,
  ],
  [
    {
      messages: [
        {
          role: 'user',
          content: [{ type: 'document', source: { type: 'base64', data: '' } }],
        },
      ],
    },
    'messages.0.content.0.source',
    /no documents from base64/,
  ],
  [{ tools: [{ type: 'web_search_20260318', name: 'w' }] }, 'tools.0.type', /web_search_20260318/],
  [{ tools: [{ name: 'w' }] }, 'tools.0.input_schema', /is missing/],
  [{ tools: ['w', 'w'].map((name) => ({ name, input_schema: {} })) }, 'tools', /are called w/],
  [{ tool_choice: { type: 'some' } }, 'tool_choice.type', /one of|must be/],
  [{ temperature: 'hot' }, 'temperature', /must be a number/],
  [{ stream: 'yes' }, 'stream', /true or false/],
  [{ service_tier: 'gold' }, 'service_tier', /auto, standard_only/],
  [{ mcp_servers: [] }, 'mcp_servers', /call its tools itself/],
  [{ n: 2 }, 'n', /no such field/],
  [{ toString: 1 }, 'toString', /no such field/],
]

for (const [fields, param, words] of wrong) {
  test(`a wrong request is told by the field: ${JSON.stringify(fields).slice(0, 80)}`, () => {
    assert.throws(
      () => chat(fields),
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
  for (const [name, { fate }] of Object.entries(messagesFields)) {
    if (fate === 'refused') assert.throws(() => chat({ [name]: 'x' }), /not supported here/)
    if (fate === 'ignored') assert.deepEqual(chat({ [name]: 'x' }), chat({}))
    if (fate === 'passed on') assert.equal(chat({ [name]: 3 })[name], 3)
    assert.deepEqual(chat({ [name]: chat({})[name] ?? null }), chat({}), 'null is nothing')
  }
})
