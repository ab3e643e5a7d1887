/** LangChain.js with `@langchain/openai`, on chat completions and on Responses. */
import { ChatOpenAI } from '@langchain/openai'
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

const grind = {
  type: 'function' as const,
  function: { name: toolName, description: toolAbout, parameters: schemaOf(toolShape) },
}

function clientWith(name: string, useResponsesApi: boolean): Client {
  interface Usage {
    input_tokens: number
    output_tokens: number
  }
  const modelOf = ({ url, key, model, fetch }: Connection) =>
    new ChatOpenAI({
      model,
      apiKey: key,
      configuration: { baseURL: `${url}/v1`, fetch },
      maxTokens: TOKENS_MAX,
      maxRetries: 0,
      useResponsesApi,
    })
  return {
    name,
    async ask(to) {
      const { text, usage_metadata } = await modelOf(to).invoke(QUESTION)
      const usage = usage_metadata as Usage | undefined
      return { text, inputTokens: usage?.input_tokens, outputTokens: usage?.output_tokens }
    },
    async stream(to, signal, onPiece) {
      let text = ''
      let inputTokens: number | undefined
      let outputTokens: number | undefined
      for await (const chunk of await modelOf(to).stream(QUESTION, { signal })) {
        text += chunk.text
        if (chunk.text !== '') onPiece(chunk.text)
        const usage = chunk.usage_metadata as Usage | undefined
        inputTokens = usage?.input_tokens ?? inputTokens
        outputTokens = usage?.output_tokens ?? outputTokens
      }
      signal.throwIfAborted()
      return { text, inputTokens, outputTokens }
    },
    async call(to, choice) {
      const tool_choice = choice === 'required' ? choice : toolName
      const answer = await modelOf(to).bindTools([grind], { tool_choice }).invoke(QUESTION)
      return answer.tool_calls?.[0]?.args
    },
    object(to) {
      const how = { method: 'jsonSchema', name: 'answer' } as const
      return modelOf(to).withStructuredOutput(answerShape, how).invoke(QUESTION)
    },
  }
}

export const langchainChat = clientWith('`@langchain/openai`, chat completions', false)
export const langchainResponses = clientWith('`@langchain/openai`, Responses', true)
