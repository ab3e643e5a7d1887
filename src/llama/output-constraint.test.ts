import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { getLlama, type Llama, type LlamaGrammar, type LlamaModel } from 'node-llama-cpp'
import { parseChatBody } from './chat-request.ts'
import { constraintOf } from './output-constraint.ts'

let llama: Llama
before(async () => {
  llama = await getLlama({ gpu: false, build: 'never', progressLogs: false })
})
after(() => llama.dispose())

const tools = [
  { type: 'function', function: { name: 'grind', parameters: { type: 'object' } } },
  { type: 'function', function: { name: 'weigh' } },
]

/** Whether the grammar of a request lets an answer be. */
async function allows(fields: object = {}): Promise<(answer: string) => boolean> {
  let grammar: LlamaGrammar | undefined
  const seen = {
    createGrammar: async (options: { grammar: string }) => {
      grammar = await llama.createGrammar(options)
      return grammar
    },
  }
  const body = parseChatBody({ messages: [{ role: 'user', content: 'x' }], tools, ...fields })
  await constraintOf(body, { llama: seen as unknown as Llama, model: {} as LlamaModel })
  const tester = grammar as unknown as { _testText(text: string): boolean }
  return (answer) => tester._testText(answer)
}

const call = (name: string, given = '{}') =>
  `<tool_call>\n{"name": "${name}", "arguments": ${given}}\n</tool_call>`

test('words may begin and go on as they like, also like the tag of a call', async () => {
  const isAllowed = await allows()
  for (const answer of ['', 'Yes.', '<think>\nHm.', '<table>', 'a << b', '<', '<<tool_call', '水<'])
    assert.ok(isAllowed(answer), answer)
})

test('a call is one of a tool that there is, also after words', async () => {
  const isAllowed = await allows()
  for (const before of ['', 'I shall grind it.\n', '<', '<tool_', 'a<tool_<'])
    for (const [calls, isRight] of [
      [call('grind', '{"sacks": 3}'), true],
      [`${call('weigh')}\n${call('grind')}`, true],
      [call('bake'), false],
      [call('grind', '3'), false],
      ['<tool_call>bake', false],
      [`${call('weigh')} and so on`, false],
    ] as const)
      assert.equal(isAllowed(before + calls), isRight, before + calls)
})

test('one call where one is asked for, and no words where one is required', async () => {
  const [once, required] = [
    await allows({ parallel_tool_calls: false }),
    await allows({ tool_choice: 'required' }),
  ]
  const two = `${call('weigh')}\n${call('weigh')}`
  assert.deepEqual([once(call('weigh')), once(two)], [true, false])
  assert.deepEqual([required(call('weigh')), required(two)], [true, true])
  assert.ok(!required('words'))
  const json_schema = { name: 'x', schema: { type: 'boolean' } }
  const formed = await allows({ response_format: { type: 'json_schema', json_schema } })
  assert.deepEqual([formed('true'), formed(two), formed('words')], [true, true, false])
})
