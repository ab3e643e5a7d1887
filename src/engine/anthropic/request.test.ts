/** Chat requests as an engine of Anthropic's wire gets them. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { messagesRequest } from './request.ts'

const user = { role: 'user', content: 'Hello' }
const ask = (fields: object, messages: object[] = [user]) =>
  messagesRequest({ model: 'claude', messages, ...fields })
const text = (words: string, more: object = {}) => ({ type: 'text', text: words, ...more })

test('what leads is the system prompt, and a chat is told in turns', () => {
  const { system, messages, max_tokens } = ask({ max_completion_tokens: 9, max_tokens: 7 }, [
    { role: 'system', content: 'Be brief.' },
    { role: 'developer', content: [text('Be kind.', { cache_control: { type: 'ephemeral' } })] },
    user,
    { role: 'user', content: [text('again'), text('')] },
    { role: 'assistant', content: 'Yes?' },
    { role: 'system', content: 'The user has left.' },
    user,
  ])
  assert.deepEqual(system, [
    text('Be brief.'),
    text('Be kind.', { cache_control: { type: 'ephemeral' } }),
  ])
  assert.deepEqual(messages, [
    { role: 'user', content: [text('Hello'), text('again')] },
    { role: 'assistant', content: [text('Yes?')] },
    { role: 'system', content: [text('The user has left.')] },
    { role: 'user', content: [text('Hello')] },
  ])
  assert.equal(max_tokens, 9)
  assert.equal(ask({ max_tokens: 7 }).max_tokens, 7)
  assert.equal(ask({}).max_tokens, 4096)
})

test('pictures and documents by data or by address; what is neither is refused', () => {
  const image = (url: string) => ({ type: 'image_url', image_url: { url } })
  const parts = [
    image('data:image/png;base64,AAAA'),
    image('https://example.org/a.png'),
    { type: 'file', file: { file_data: 'data:application/pdf;base64,BBBB' } },
  ]
  const { messages } = ask({}, [{ role: 'user', content: parts }])
  assert.deepEqual((messages as { content: object[] }[])[0]?.content, [
    { type: 'image', source: { type: 'base64', media_type: 'image/png', data: 'AAAA' } },
    { type: 'image', source: { type: 'url', url: 'https://example.org/a.png' } },
    { type: 'document', source: { type: 'base64', media_type: 'application/pdf', data: 'BBBB' } },
  ])
  const refused = (content: object) => () => ask({}, [{ role: 'user', content: [content] }])
  assert.throws(refused({ type: 'input_audio', input_audio: {} }), /messages\.0\.content\.0\.type/)
  assert.throws(refused({ type: 'file', file: { file_id: 'file_1' } }), /with its data/)
})

test('calls and their results become blocks, results of one turn together', () => {
  const call = (id: string, args: string) => ({
    id,
    type: 'function',
    function: { name: 'look', arguments: args },
  })
  const { messages } = ask({}, [
    user,
    { role: 'assistant', content: null, tool_calls: [call('a', '{"x":1}'), call('b', '{oops')] },
    { role: 'tool', tool_call_id: 'a', content: 'one' },
    { role: 'tool', tool_call_id: 'b', content: [text('two')] },
    { role: 'user', content: 'and?' },
  ])
  assert.deepEqual((messages as object[]).slice(1), [
    {
      role: 'assistant',
      content: [
        { type: 'tool_use', id: 'a', name: 'look', input: { x: 1 } },
        { type: 'tool_use', id: 'b', name: 'look', input: { INVALID_JSON: '{oops' } },
      ],
    },
    {
      role: 'user',
      content: [
        { type: 'tool_result', tool_use_id: 'a', content: [text('one')] },
        { type: 'tool_result', tool_use_id: 'b', content: [text('two')] },
        text('and?'),
      ],
    },
  ])
})

test('thinking goes back only with the signature of the service', () => {
  const signed = { type: 'thinking', thinking: 'Hm', signature: 'abc' }
  const answer = { role: 'assistant', content: 'Yes', reasoning_content: 'Hm' }
  const blocks = (more: object) => {
    const { messages } = ask({}, [user, { ...answer, ...more }, user])
    return (messages as { content: object[] }[])[1]?.content
  }
  assert.deepEqual(blocks({}), [text('Yes')])
  assert.deepEqual(blocks({ thinking_blocks: [signed] }), [signed, text('Yes')])
  assert.deepEqual(blocks({ thinking_blocks: [{ ...signed, signature: '' }] }), [text('Yes')])
})

test('tools, the choice among them, and one at a time', () => {
  const parameters = { type: 'object', properties: { x: { type: 'number' } } }
  const tools = [
    { type: 'function', function: { name: 'look', description: 'Looks.', parameters } },
    { type: 'function', function: { name: 'wait' } },
  ]
  const chosen = (fields: object) => ask({ tools, ...fields }).tool_choice
  assert.deepEqual(ask({ tools }).tools, [
    { name: 'look', description: 'Looks.', input_schema: parameters },
    { name: 'wait', input_schema: { type: 'object', properties: {} } },
  ])
  assert.equal(chosen({}), undefined)
  assert.deepEqual(chosen({ tool_choice: 'auto' }), { type: 'auto' })
  assert.deepEqual(chosen({ tool_choice: 'none', parallel_tool_calls: false }), { type: 'none' })
  assert.deepEqual(chosen({ tool_choice: 'required', parallel_tool_calls: false }), {
    type: 'any',
    disable_parallel_tool_use: true,
  })
  const named = { type: 'function', function: { name: 'look' } }
  assert.deepEqual(chosen({ tool_choice: named }), { type: 'tool', name: 'look' })
  assert.throws(() => ask({ tools: [{ type: 'custom', custom: { name: 'x' } }] }), /tools\.0/)
})

test('format, effort, sampling and the end user have their places', () => {
  const schema = { type: 'object' }
  const json = { type: 'json_schema', json_schema: { name: 'a', schema } }
  const body = ask({
    response_format: json,
    reasoning_effort: 'minimal',
    temperature: 1.4,
    top_p: 0.5,
    top_k: 0,
    stop: ['END', '\n'],
    user: 'u1',
    seed: 7,
    stream: true,
    stream_options: { include_usage: true },
  })
  assert.deepEqual(body, {
    model: 'claude',
    messages: [{ role: 'user', content: [text('Hello')] }],
    max_tokens: 4096,
    stream: true,
    temperature: 1,
    top_p: 0.5,
    stop_sequences: ['END'],
    output_config: { format: { type: 'json_schema', schema }, effort: 'low' },
    metadata: { user_id: 'u1' },
  })
})

test('what the service cannot do is refused by its name, unless it asks for nothing', () => {
  for (const fields of [{ n: 2 }, { logprobs: true }, { top_logprobs: 3 }, { audio: {} }]) {
    const [name = ''] = Object.keys(fields)
    assert.throws(() => ask(fields), new RegExp(`${name} is not supported`))
  }
  assert.throws(() => ask({ response_format: { type: 'json_object' } }), /json_schema/)
  ask({ n: 1, logprobs: false, top_logprobs: 0, audio: null, modalities: ['text'] })
})
