/** Which grammar an answer must follow: JSON, a JSON schema, or the form of tool calls. */
import { type Llama, LlamaGrammarEvaluationState, type LlamaModel } from 'node-llama-cpp'
import { GristmillError } from '../base/index.ts'
import type { ChatBody, ToolDefinition } from './chat-request.ts'
import { literal } from './grammar-rules.ts'
import { ANNOTATIONS, SchemaGrammar } from './schema-grammar.ts'
import { CALL_END, CALL_MIDDLE, CALL_NAME, CALL_TAG } from './tool-calls.ts'
import { type ToolChoice, toolChoiceOf } from './tool-choice.ts'

export interface OutputConstraint {
  /** True when the answer may contain tool calls. */
  callsTools: boolean
  /** A fresh state for one choice. */
  newState(): LlamaGrammarEvaluationState
}

const PARALLEL_CALLS_MAX = 16

/**
 * The constraint that a request asks for, if any.
 * @throws GristmillError `unsupported_schema`, or `unsupported_parameter` for what excludes itself
 */
export async function constraintOf(
  body: ChatBody,
  engine: { llama: Llama; model: LlamaModel },
): Promise<OutputConstraint | undefined> {
  const choice = toolChoiceOf(body.tool_choice)
  const tools = choice.mode === 'none' ? [] : (body.tools ?? [])
  const grammar = tools.length > 0 ? toolGrammar(body, tools, choice) : formatGrammar(body)
  if (grammar === undefined) return undefined
  if (body.logprobs)
    throw new GristmillError('unsupported_parameter', {
      param: 'logprobs',
      reason: 'it cannot be combined with response_format or tools',
    })
  const param = tools.length > 0 ? 'tools' : 'response_format'
  const compiled = await compile(engine.llama, grammar, param)
  const newState = () => new LlamaGrammarEvaluationState({ model: engine.model, grammar: compiled })
  return { callsTools: tools.length > 0, newState }
}

async function compile(llama: Llama, grammar: string, param: string) {
  try {
    return await llama.createGrammar({ grammar })
  } catch (error) {
    const details = { param, feature: 'more than a grammar can hold', path: '#' }
    throw new GristmillError('unsupported_schema', details, { cause: error })
  }
}

function formatGrammar(body: ChatBody): string | undefined {
  const grammar = new SchemaGrammar()
  const rule = formatRule(body, grammar)
  return rule && grammar.text(rule)
}

/** The rule of an answer to read; undefined where it is free text. */
function formatRule({ response_format: format }: ChatBody, grammar: SchemaGrammar) {
  if (!format || format.type === 'text') return undefined
  return format.type === 'json_object' ? 'object' : grammar.add(format.json_schema.schema)
}

/** Arguments are an object, also where a schema says nothing of them. */
const isOpen = (parameters: object | null | undefined) =>
  Object.keys(parameters ?? {}).every((keyword) => ANNOTATIONS.has(keyword))

/** Calls, or where none must be made an answer to read. */
function toolGrammar(
  body: ChatBody,
  tools: readonly ToolDefinition[],
  { mode, names, isOne }: ToolChoice,
): string {
  const callable = tools.filter((tool) => !names || names.includes(tool.function.name))
  const grammar = new SchemaGrammar()
  const calls = callable.map(({ function: { name, parameters } }) => {
    const schema = isOpen(parameters) ? { type: 'object' } : parameters
    const value = grammar.add(schema, `#/tools/${name}`)
    return `${literal(CALL_NAME + name + CALL_MIDDLE)} ${value} ${literal(CALL_END)}`
  })
  const once = isOne || body.parallel_tool_calls === false
  const tag = literal(CALL_TAG)
  const more = once ? '' : ` ("\\n" ${tag} call){0,${PARALLEL_CALLS_MAX - 1}}`
  const rules = [`calls ::= call${more}`, `call ::= ${calls.join(' | ')}`]
  if (mode === 'required') return grammar.text(`${tag} calls`) + lines(rules)
  const format = formatRule(body, grammar)
  if (format) return grammar.text(`${tag} calls | ${format}`) + lines(rules)
  return grammar.text('words') + lines([...rules, ...wordRules()])
}

const lines = (rules: readonly string[]) => rules.map((rule) => `${rule}\n`).join('')

/**
 * An answer in words, which goes over into calls where the model writes the tag of one. A rule for
 * each number of the tag's characters that stand at the end of the words.
 */
function wordRules(): string[] {
  const [first = '', ...rest] = CALL_TAG
  const next = (count: number) => (count === CALL_TAG.length ? 'calls' : `tag${count}`)
  const words = `words ::= ([^${first}] words | "${first}" ${next(1)})?`
  const tags = rest.map((character, i) => {
    const others = `"${first}" ${next(1)} | [^${first}${character}] words`
    return `${next(i + 1)} ::= ("${character}" ${next(i + 2)} | ${others})?`
  })
  return [words, ...tags]
}
