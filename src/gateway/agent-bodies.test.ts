/**
 * Bodies of agent programs, as `test/agents.test.ts` saw them and reduced by hand: texts and
 * schemas shortened, identifiers emptied, every field and block left where it was. Cursor's alone
 * is built from what others have published of it, as it asks only from its maker's own servers.
 */
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import { parseObject } from './canonical.ts'
import { readAtDoor } from './doors.ts'
import { readMessages } from './messages/request.ts'
import { readResponses } from './responses/request.ts'
import { testLimits } from './test-gateway.ts'

const recorded = (name: string) => readFileSync(new URL(`recordings/${name}`, import.meta.url))

interface Chat {
  messages: { role: string; content: unknown; tool_calls?: { id: string }[] }[]
  tools: { function: { name: string } }[]
}

const outline = (fields: Record<string, unknown>) => {
  const { messages, tools } = fields as unknown as Chat
  return {
    roles: messages.map(({ role }) => role),
    tools: tools.map((tool) => tool.function.name),
    last: messages.at(-1)?.content,
  }
}

test('Claude Code, after it has searched for a tool', () => {
  const { fields, stream, outputTokensAtMost, endUser, sessionId } = readMessages(
    recorded('claude-code.json'),
    testLimits,
  )
  assert.deepEqual(outline(fields), {
    roles: ['system', 'user', 'system', 'assistant', 'tool'],
    tools: ['NotebookEdit', 'ToolSearch', 'Write'],
    last: 'The tool NotebookEdit can be called now.',
  })
  const { messages, reasoning_effort } = fields as unknown as Chat & { reasoning_effort: string }
  assert.deepEqual(messages[0]?.content, [
    { type: 'text', text: 'You are a test.' },
    { type: 'text', text: 'Work on files.' },
  ])
  assert.equal(reasoning_effort, 'high')
  assert.deepEqual([stream, outputTokensAtMost], [true, testLimits.outputTokensMax])
  assert.match(endUser ?? '', /^0{64}$/)
  assert.match(sessionId ?? '', /^0{8}-0000-4000/)
})

test('Codex, after it has called a tool', () => {
  const { canonical, tools } = readResponses(parseObject(recorded('codex.json')), testLimits)
  assert.deepEqual(outline(canonical.fields), {
    roles: ['system', 'system', 'user', 'user', 'assistant', 'tool'],
    tools: ['exec_command', 'multi_agent_v1__close_agent', 'multi_agent_v1__resume_agent'],
    last: 'Process exited with code 0',
  })
  assert.deepEqual(tools.get('multi_agent_v1__close_agent'), {
    type: 'function',
    name: 'close_agent',
    namespace: 'multi_agent_v1',
  })
  assert.equal(canonical.stream, true)
})

for (const [name, tool, asked] of [
  ['continue.json', 'Write', null],
  ['opencode.json', 'write', 32_000],
] as const) {
  test(`${name}, after it has called a tool, reaches engines as it came`, () => {
    const body = recorded(name)
    const sent = JSON.parse(body.toString())
    assert.equal(sent.max_tokens ?? null, asked)
    const { request } = readAtDoor('/v1/chat/completions', body, testLimits, {})
    assert.equal(outline(request.fields).tools.at(-1), tool)
    assert.equal(request.outputTokensAtMost, asked && testLimits.outputTokensMax)
    assert.deepEqual(request.fields.messages, sent.messages)
    assert.equal(request.raw.equals(body), asked === null)
  })
}

test('Cursor sends a body of Responses to the door of chat', () => {
  const { request, translate } = readAtDoor(
    '/v1/chat/completions',
    recorded('cursor.json'),
    testLimits,
    {},
  )
  assert.equal(translate, undefined, 'it is answered as chat')
  assert.deepEqual(outline(request.fields), {
    roles: ['system', 'user', 'assistant', 'tool'],
    tools: ['edit_file'],
    last: 'The file was written.',
  })
  assert.deepEqual([request.includeUsage, request.endUser], [true, 'google-oauth2|0000'])
  assert.equal(request.fields.reasoning_effort, 'medium')
})
