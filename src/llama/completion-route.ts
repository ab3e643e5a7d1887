/** `POST /v1/completions`, the legacy wire: prompts without a template. */
import type { Token } from 'node-llama-cpp'
import { z } from 'zod'
import { checked, GristmillError } from '../base/index.ts'
import { runCompletion } from './completion.ts'
import {
  type CompletionWriter,
  completionCollector,
  completionStream,
  legacyLogprobs,
} from './completion-response.ts'
import { promptTokens } from './embedding-route.ts'
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
import type { Exchange } from './http-server.ts'
import { samplingFields, samplingOf, stopsOf, tokensMaxOf } from './sampling-request.ts'

const PROMPTS_MAX = 32
const TOKENS_DEFAULT = 16

const tokenIds = z.array(z.number().int().min(0)).min(1)

const completionSchema = z.object({
  ...samplingFields,
  prompt: z.union([
    z.string(),
    z.array(z.string()).min(1).max(PROMPTS_MAX),
    tokenIds,
    z.array(tokenIds).min(1).max(PROMPTS_MAX),
  ]),
  echo: z.boolean().nullish(),
  logprobs: z.number().int().min(0).max(5).nullish(),
  suffix: z.string().nullish(),
  best_of: z.number().int().nullish(),
})

type CompletionBody = z.infer<typeof completionSchema>

export async function handleCompletions(engine: Engine, exchange: Exchange): Promise<void> {
  const body = checked(completionSchema, exchange.body)
  checkModel(engine, body.model)
  checkBias(engine, body)
  refuseUnsupported(body)
  const prompts = await promptTokens(engine, body.prompt, 'prompt')
  if (prompts.some((prompt) => prompt.length === 0))
    throw new GristmillError('invalid_value', { param: 'prompt', reason: 'it is empty' })
  const asked = body.max_tokens ?? TOKENS_DEFAULT
  for (const prompt of prompts) tokensMaxOf(asked, prompt.length, engine.contextTokens, 'prompt')
  const progress = newProgress()
  const head = answerHead(engine, exchange, 'cmpl')
  const writer = body.stream
    ? completionStream(head, body.stream_options?.include_usage ?? false, exchange.writeEvents)
    : completionCollector(head, (answer) => exchange.sendJson(answer))
  await onRecord(engine, exchange, progress, async (signal) => {
    for (const [index, prompt] of prompts.entries()) {
      const offset = index * (body.n ?? 1)
      const request = { ...commonRequest(body, signal), prompt, progress, tokensMax: asked }
      const end = await complete(engine, exchange, body, request, writer, offset)
      if (end === 'aborted') return end
    }
    writer.end(progress)
    if (!exchange.response.writableEnded) exchange.response.end()
    return 'finished'
  })
}

type Request = ReturnType<typeof commonRequest> & {
  prompt: Token[]
  progress: ReturnType<typeof newProgress>
  tokensMax: number
}

/** Runs one prompt's choices; `offset` is the index of the first of them. */
async function complete(
  engine: Engine,
  exchange: Exchange,
  body: CompletionBody,
  request: Request,
  writer: CompletionWriter,
  offset: number,
): Promise<'finished' | 'aborted'> {
  const detokenize = detokenizer(engine)
  if (body.echo) {
    const text = detokenize(request.prompt, [])
    for (let choice = 0; choice < request.choices; choice++)
      writer.text(offset + choice, text, undefined)
  }
  const sampling = (choice: number) => {
    const chosen = samplingOf(body, engine.random, choice)
    if (body.logprobs != null) chosen.topLogprobs = body.logprobs
    return chosen
  }
  const whole = { ...request, stops: stopsOf(body.stop), samplingOf: sampling }
  return runCompletion(engine.driver, whole, detokenize, {
    isPaused: () => isPaused(exchange),
    text(choice, text, tokens) {
      const probable = tokens.filter((sampled) => sampled.logprob !== undefined)
      const logprobs = probable.length > 0 ? legacyLogprobs(probable, engine.tokenBytes) : undefined
      writer.text(offset + choice, text, logprobs)
    },
    finish: (choice, reason) => writer.finish(offset + choice, reason),
  })
}

function refuseUnsupported(body: CompletionBody): void {
  const refuse = (param: string, reason: string) => {
    throw new GristmillError('unsupported_parameter', { param, reason })
  }
  if (body.suffix) refuse('suffix', 'the engine only continues text')
  if (body.best_of != null && body.best_of > (body.n ?? 1))
    refuse('best_of', 'the engine returns all choices that it generates')
  if (body.echo && body.logprobs != null)
    refuse('echo', 'the engine has no probabilities of prompt tokens')
}
