/** `POST /v1/chat/completions`. */
import { GristmillError, newId } from '../base/index.ts'
import { type ChatBody, parseChatBody, templateMessages } from './chat-request.ts'
import { ChatCollector, ChatStream, type ChatWriter } from './chat-response.ts'
import { type CompletionRequest, type FinishReason, runCompletion } from './completion.ts'
import {
  answerHead,
  checkBias,
  checkModel,
  commonRequest,
  detokenizer,
  type Engine,
  isPaused,
  newProgress,
  onRecord,
} from './engine.ts'
import type { Progress } from './generation.ts'
import type { Exchange } from './http-server.ts'
import { logprobEntries } from './logprobs.ts'
import { constraintOf } from './output-constraint.ts'
import { samplingOf, stopsOf, tokensMaxOf } from './sampling-request.ts'
import { ToolCallParser } from './tool-calls.ts'
import { withToolInstructions } from './tool-prompt.ts'

export async function handleChat(engine: Engine, exchange: Exchange): Promise<void> {
  const body = parseChatBody(exchange.body)
  checkModel(engine, body.model)
  checkBias(engine, body)
  const constraint = await constraintOf(body, engine.loaded)
  const prompt = await renderPrompt(engine, body)
  if (prompt.length === 0)
    throw new GristmillError('invalid_value', { param: 'messages', reason: 'they say nothing' })
  const progress = newProgress()
  const asked = body.max_completion_tokens ?? body.max_tokens
  const request: Omit<CompletionRequest, 'signal'> = {
    ...commonRequest(body, exchange.signal),
    prompt,
    progress,
    tokensMax: tokensMaxOf(asked, prompt.length, engine.contextTokens),
    stops: stopsOf(body.stop),
    samplingOf: (choice) => {
      const sampling = samplingOf(body, engine.random, choice)
      if (body.logprobs) sampling.topLogprobs = body.top_logprobs ?? 0
      if (!constraint) return sampling
      // A format that is complete can only end.
      return { ...sampling, tokensMin: 0, grammar: constraint.newState() }
    },
  }
  if (constraint) request.ignoreEnd = false
  const writer = writerFor(engine, exchange, body)
  await onRecord(engine, exchange, progress, (signal) =>
    generate(engine, exchange, { ...request, signal }, writer, constraint?.callsTools ?? false),
  )
}

async function generate(
  engine: Engine,
  exchange: Exchange,
  request: CompletionRequest,
  writer: ChatWriter,
  callsTools: boolean,
): Promise<'finished' | 'aborted'> {
  const detokenize = detokenizer(engine)
  const parsers = new Map<number, ToolCallParser>()
  const parserOf = (choice: number) => {
    const parser = parsers.get(choice) ?? new ToolCallParser(() => newCallId(engine))
    parsers.set(choice, parser)
    return parser
  }
  const end = await runCompletion(engine.driver, request, detokenize, {
    isPaused: () => isPaused(exchange),
    text(choice, text, tokens) {
      const entries = logprobEntries(tokens, engine.tokenBytes)
      const logprobs = entries.length > 0 ? entries : undefined
      const events = callsTools ? parserOf(choice).push(text) : [{ kind: 'text' as const, text }]
      writer.event(choice, events, logprobs)
    },
    finish(choice, reason, stop) {
      const parser = callsTools ? parserOf(choice) : undefined
      const rest = parser?.flush() ?? []
      if (rest.length > 0) writer.event(choice, rest, undefined)
      const called = parser !== undefined && parser.calls > 0 && reason === 'stop'
      writer.finish(choice, called ? 'tool_calls' : (reason satisfies FinishReason), stop)
    },
  })
  if (end === 'finished') endAnswer(exchange, writer, request.progress)
  return end
}

function endAnswer(exchange: Exchange, writer: ChatWriter, progress: Progress): void {
  writer.end(progress)
  if (!exchange.response.writableEnded) exchange.response.end()
}

function writerFor(engine: Engine, exchange: Exchange, body: ChatBody): ChatWriter {
  const head = answerHead(engine, exchange, 'chatcmpl')
  if (!body.stream)
    return new ChatCollector(head, body.logprobs ?? false, (answer) => exchange.sendJson(answer))
  const includeUsage = body.stream_options?.include_usage ?? false
  return new ChatStream(head, includeUsage, (text) => exchange.writeEvents(text))
}

/** The prompt's tokens, with the tools shown to the model by its template or by our own words. */
export async function renderPrompt(engine: Engine, body: ChatBody) {
  const tools = body.tool_choice === 'none' ? [] : (body.tools ?? [])
  const messages = templateMessages(body.messages)
  const shown = engine.template.rendersTools ? messages : withToolInstructions(messages, tools)
  return engine.template.render(shown, { tools, addGenerationPrompt: true })
}

const newCallId = (engine: Engine) =>
  newId('req', engine.clock, engine.random).replace(/^req_/, 'call_')
