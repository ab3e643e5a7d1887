/** The official `@anthropic-ai/sdk`. */
import Anthropic from '@anthropic-ai/sdk'
import { zodOutputFormat } from '@anthropic-ai/sdk/helpers/zod'
import {
  answerShape,
  type Client,
  type Connection,
  QUESTION,
  schemaOf,
  TOKENS_MAX,
  toolAbout,
  toolName,
  toolShape,
} from './client.ts'

const clientOf = ({ url, key, fetch }: Connection) =>
  new Anthropic({ baseURL: url, apiKey: key, authToken: null, maxRetries: 0, fetch }).messages

const question = {
  max_tokens: TOKENS_MAX,
  messages: [{ role: 'user' as const, content: QUESTION }],
}
const tool = {
  name: toolName,
  description: toolAbout,
  input_schema: schemaOf(toolShape) as Anthropic.Tool.InputSchema,
}

const said = ({ content, usage }: Anthropic.Message) => ({
  text: content.map((block) => (block.type === 'text' ? block.text : '')).join(''),
  inputTokens: usage.input_tokens + (usage.cache_read_input_tokens ?? 0),
  outputTokens: usage.output_tokens,
})

export const anthropicMessages: Client = {
  name: '`@anthropic-ai/sdk`',
  async ask(to) {
    return said(await clientOf(to).create({ ...question, model: to.model }))
  },
  async stream(to, signal, onPiece) {
    const stream = clientOf(to).stream({ ...question, model: to.model }, { signal })
    stream.on('text', (delta) => onPiece(delta))
    return said(await stream.finalMessage())
  },
  async call(to, choice) {
    const tool_choice =
      choice === 'required' ? { type: 'any' as const } : { type: 'tool' as const, name: toolName }
    const body = { ...question, model: to.model, tools: [tool], tool_choice }
    const { content } = await clientOf(to).create(body)
    return content.find((block) => block.type === 'tool_use')?.input
  },
  async object(to) {
    const output_config = { format: zodOutputFormat(answerShape) }
    return (await clientOf(to).parse({ ...question, model: to.model, output_config })).parsed_output
  },
}
