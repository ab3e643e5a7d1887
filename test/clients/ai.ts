/** Vercel's `ai` with its providers for the three wires. */
import { createAnthropic } from '@ai-sdk/anthropic'
import { createOpenAI } from '@ai-sdk/openai'
import { createOpenAICompatible } from '@ai-sdk/openai-compatible'
import { generateText, type LanguageModel, Output, streamText, tool } from 'ai'
import {
  answerShape,
  type Client,
  type Connection,
  QUESTION,
  TOKENS_MAX,
  toolAbout,
  toolName,
  toolShape,
} from './client.ts'

const question = { prompt: QUESTION, maxOutputTokens: TOKENS_MAX, maxRetries: 0 }

function clientWith(name: string, modelOf: (to: Connection) => LanguageModel): Client {
  return {
    name,
    async ask(to) {
      const { text, usage } = await generateText({ model: modelOf(to), ...question })
      return { text, inputTokens: usage.inputTokens, outputTokens: usage.outputTokens }
    },
    async stream(to, signal, onPiece) {
      let failure: unknown
      const stream = streamText({
        model: modelOf(to),
        ...question,
        abortSignal: signal,
        onError: ({ error }) => {
          failure = error
        },
      })
      let text = ''
      for await (const piece of stream.textStream) {
        text += piece
        onPiece(piece)
      }
      signal.throwIfAborted()
      if (failure !== undefined) throw failure
      const usage = await stream.usage
      return { text, inputTokens: usage.inputTokens, outputTokens: usage.outputTokens }
    },
    async call(to, choice) {
      const grind = tool({
        description: toolAbout,
        inputSchema: toolShape,
        execute: () => 'flour',
      })
      const tools = { [toolName]: grind }
      const toolChoice = choice === 'required' ? choice : ({ type: 'tool', toolName } as const)
      const { toolCalls } = await generateText({
        model: modelOf(to),
        ...question,
        tools,
        toolChoice,
      })
      return toolCalls[0]?.input
    },
    async object(to) {
      const output = Output.object({ schema: answerShape })
      return (await generateText({ model: modelOf(to), ...question, output })).output
    },
  }
}

const at = ({ url, key, fetch }: Connection) => ({ baseURL: `${url}/v1`, apiKey: key, fetch })

export const aiChat = clientWith('`ai` with `@ai-sdk/openai-compatible`', (to) =>
  createOpenAICompatible({
    ...at(to),
    name: 'gristmill',
    includeUsage: true,
    supportsStructuredOutputs: true,
  })(to.model),
)
export const aiResponses = clientWith('`ai` with `@ai-sdk/openai`', (to) =>
  createOpenAI(at(to)).responses(to.model),
)
export const aiMessages = clientWith('`ai` with `@ai-sdk/anthropic`', (to) =>
  createAnthropic(at(to))(to.model),
)
