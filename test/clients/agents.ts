/** OpenAI's `@openai/agents`, on chat completions and on Responses. */
import {
  Agent,
  type Model,
  OpenAIChatCompletionsModel,
  OpenAIResponsesModel,
  Runner,
  tool,
} from '@openai/agents'
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
import { openAiClient } from './openai.ts'

const runner = new Runner({ tracingDisabled: true })
const modelSettings = { maxTokens: TOKENS_MAX }

interface Usage {
  inputTokens: number
  outputTokens: number
}

const said = (text: unknown, { inputTokens, outputTokens }: Usage) => ({
  text: String(text),
  inputTokens,
  outputTokens,
})

function clientWith(name: string, modelOf: (to: Connection) => Model): Client {
  return {
    name,
    async ask(to) {
      const agent = new Agent({ name: 'miller', model: modelOf(to), modelSettings })
      const { finalOutput, state } = await runner.run(agent, QUESTION)
      return said(finalOutput, state.usage)
    },
    async stream(to, signal, onPiece) {
      const agent = new Agent({ name: 'miller', model: modelOf(to), modelSettings })
      const result = await runner.run(agent, QUESTION, { stream: true, signal })
      for await (const piece of result.toTextStream()) onPiece(piece)
      signal.throwIfAborted()
      await result.completed
      return said(result.finalOutput, result.state.usage)
    },
    async call(to, choice) {
      let input: unknown
      const grind = tool({
        name: toolName,
        description: toolAbout,
        parameters: toolShape,
        execute: (given) => {
          input = given
          return 'flour'
        },
      })
      const agent = new Agent({
        name: 'miller',
        model: modelOf(to),
        tools: [grind],
        toolUseBehavior: 'stop_on_first_tool',
        modelSettings: { ...modelSettings, toolChoice: choice === 'required' ? choice : toolName },
      })
      await runner.run(agent, QUESTION)
      return input
    },
    async object(to) {
      const model = modelOf(to)
      const agent = new Agent({ name: 'miller', model, modelSettings, outputType: answerShape })
      return (await runner.run(agent, QUESTION)).finalOutput
    },
  }
}

export const agentsChat = clientWith(
  '`@openai/agents`, chat completions',
  (to) => new OpenAIChatCompletionsModel(openAiClient(to), to.model),
)
export const agentsResponses = clientWith(
  '`@openai/agents`, Responses',
  (to) => new OpenAIResponsesModel(openAiClient(to), to.model),
)
