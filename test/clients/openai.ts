/** The official `openai` client, on chat completions and on Responses. */
import OpenAI from 'openai'
import { zodResponseFormat, zodTextFormat } from 'openai/helpers/zod'
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

export const openAiClient = ({ url, key, fetch }: Connection) =>
  new OpenAI({ baseURL: `${url}/v1`, apiKey: key, maxRetries: 0, fetch })

const parameters = schemaOf(toolShape)
const messages = [{ role: 'user' as const, content: QUESTION }]
const chatTool = {
  type: 'function' as const,
  function: { name: toolName, description: toolAbout, parameters },
}

const said = (text: string | null | undefined, usage?: OpenAI.CompletionUsage | null) => ({
  text: text ?? '',
  inputTokens: usage?.prompt_tokens,
  outputTokens: usage?.completion_tokens,
})

export const openAiChat: Client = {
  name: '`openai`, chat completions',
  async ask(to) {
    const body = { model: to.model, messages, max_tokens: TOKENS_MAX }
    const { choices, usage } = await openAiClient(to).chat.completions.create(body)
    return said(choices[0]?.message.content, usage)
  },
  async stream(to, signal, onPiece) {
    const body = { model: to.model, messages, max_tokens: TOKENS_MAX, stream: true } as const
    const options = { stream_options: { include_usage: true } }
    const client = openAiClient(to).chat.completions
    let text = ''
    let used: OpenAI.CompletionUsage | null | undefined
    for await (const chunk of await client.create({ ...body, ...options }, { signal })) {
      const piece = chunk.choices[0]?.delta.content ?? ''
      text += piece
      if (piece !== '') onPiece(piece)
      used = chunk.usage ?? used
    }
    // The client ends an aborted stream without an error.
    signal.throwIfAborted()
    return said(text, used)
  },
  async call(to, choice) {
    const tool_choice =
      choice === 'required' ? choice : ({ type: 'function', function: { name: toolName } } as const)
    const body = { model: to.model, messages, max_tokens: TOKENS_MAX, tools: [chatTool] }
    const { choices } = await openAiClient(to).chat.completions.create({ ...body, tool_choice })
    const [made] = choices[0]?.message.tool_calls ?? []
    return made?.type === 'function' ? JSON.parse(made.function.arguments) : undefined
  },
  async object(to) {
    const response_format = zodResponseFormat(answerShape, 'answer')
    const body = { model: to.model, messages, max_tokens: TOKENS_MAX, response_format }
    const { choices } = await openAiClient(to).chat.completions.parse(body)
    return choices[0]?.message.parsed
  },
}

const saidIn = ({ output_text, usage }: OpenAI.Responses.Response) => ({
  text: output_text,
  inputTokens: usage?.input_tokens,
  outputTokens: usage?.output_tokens,
})

export const openAiResponses: Client = {
  name: '`openai`, Responses',
  async ask(to) {
    const body = { model: to.model, input: QUESTION, max_output_tokens: TOKENS_MAX }
    return saidIn(await openAiClient(to).responses.create(body))
  },
  async stream(to, signal, onPiece) {
    const body = { model: to.model, input: QUESTION, max_output_tokens: TOKENS_MAX }
    const stream = openAiClient(to).responses.stream(body, { signal })
    stream.on('response.output_text.delta', ({ delta }) => onPiece(delta))
    return saidIn(await stream.finalResponse())
  },
  async call(to, choice) {
    const tool_choice =
      choice === 'required' ? choice : { type: 'function' as const, name: toolName }
    const tool = { type: 'function' as const, name: toolName, parameters, strict: true }
    const body = { model: to.model, input: QUESTION, max_output_tokens: TOKENS_MAX, tools: [tool] }
    const { output } = await openAiClient(to).responses.create({ ...body, tool_choice })
    const made = output.find((item) => item.type === 'function_call')
    return made && JSON.parse(made.arguments)
  },
  async object(to) {
    const text = { format: zodTextFormat(answerShape, 'answer') }
    const body = { model: to.model, input: QUESTION, max_output_tokens: TOKENS_MAX, text }
    return (await openAiClient(to).responses.parse(body)).output_parsed
  },
}
