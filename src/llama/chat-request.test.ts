import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { GristmillError, openAiErrorBody } from '../base/index.ts'
import { parseChatBody, templateMessages } from './chat-request.ts'

const messages = [{ role: 'user', content: 'Hello' }]
const tool = (name: string, parameters?: object) => ({
  type: 'function',
  function: { name, ...(parameters && { parameters }) },
})

/** A body, the field that is wrong, and what is said about it. */
const badBodies: [Record<string, unknown>, string, RegExp][] = [
  [{}, 'messages', /is missing/],
  [{ messages: [] }, 'messages', /must not be empty/],
  [{ messages: 'Hello' }, 'messages', /must be a list/],
  [{ messages: [{ role: 'robot' }] }, 'messages.0.role', /one of system, developer, user/],
  [{ messages: [{ role: 'user', content: 5 }] }, 'messages.0.content', /a string or a list/],
  [{ messages: [{ role: 'user', content: [{}] }] }, 'messages.0.content.0.type', /is missing/],
  [{ messages, temperature: 3 }, 'temperature', /at most 2/],
  [{ messages, temperature: 'hot' }, 'temperature', /must be a number/],
  [{ messages, max_tokens: 1.5 }, 'max_tokens', /a whole number/],
  [{ messages, max_completion_tokens: 0 }, 'max_completion_tokens', /at least 1/],
  [{ messages, stop: 5 }, 'stop', /a string or a list/],
  [{ messages, stop: Array(17).fill('x') }, 'stop', /at most 16 entries/],
  [{ messages, logit_bias: { word: 1 } }, 'logit_bias.word', /not allowed/],
  [{ messages, top_logprobs: 3 }, 'top_logprobs', /needs logprobs/],
  [{ messages, response_format: { type: 'xml' } }, 'response_format.type', /text, json_object/],
  [
    { messages, response_format: { type: 'json_schema' } },
    'response_format.json_schema',
    /missing/,
  ],
  [{ messages, tools: [tool('two words')] }, 'tools.0.function.name', /letters, digits/],
  [{ messages, tools: [tool('a', { type: 'string' })] }, 'tools.0.function.parameters', /object/],
  [{ messages: [{ role: 'user' }] }, 'messages.0.content', /a string or a list/],
  [{ messages: [{ role: 'system', content: null }] }, 'messages.0.content', /a string or a list/],
  [{ messages, tool_choice: 'maybe' }, 'tool_choice', /none, auto, required or an object/],
  [{ messages, tool_choice: 'required' }, 'tool_choice', /needs tools/],
  [{ messages, tools: [tool('a')], tool_choice: tool('b') }, 'tool_choice', /no tool named b/],
]

describe('a wrong body of a chat', () => {
  for (const [body, param, words] of badBodies) {
    it(`is told by the field and what would be right: ${JSON.stringify(body).slice(0, 70)}`, () => {
      const refused = (error: unknown) => {
        assert.ok(error instanceof GristmillError)
        const { error: told } = openAiErrorBody(error)
        assert.equal(told.param, param)
        assert.equal(told.type, 'invalid_request_error')
        assert.match(told.message, words)
        assert.doesNotMatch(told.message, /Invalid input|expected|received/)
        return true
      }
      assert.throws(() => parseChatBody(body), refused)
    })
  }
})

describe('content in parts', () => {
  it('is read where it is text, or words with which an assistant refused', () => {
    const refusal = { role: 'assistant', content: [{ type: 'refusal', refusal: 'I will not.' }] }
    const parts = { role: 'user', content: ['a', 'b'].map((text) => ({ type: 'text', text })) }
    const body = parseChatBody({ messages: [parts, refusal, ...messages] })
    const told = templateMessages(body.messages).map(({ content }) => content)
    assert.deepEqual(told, ['ab', 'I will not.', 'Hello'])
  })

  it('is told to be missing where a part of text has none', () => {
    const body = parseChatBody({ messages: [{ role: 'user', content: [{ type: 'text' }] }] })
    const details = { param: 'messages.0.content.0.text', reason: 'it is missing' }
    const told = new GristmillError('invalid_value', details)
    assert.throws(() => templateMessages(body.messages), told)
  })
})
