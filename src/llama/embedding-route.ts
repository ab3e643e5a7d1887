/** `POST /v1/embeddings`. Inputs are computed one by one, in pieces beside running streams. */
import { setImmediate } from 'node:timers/promises'
import type { Token } from 'node-llama-cpp'
import { z } from 'zod'
import { checked, GristmillError } from '../base/index.ts'
import { checkModel, type Engine, newProgress, onRecord } from './engine.ts'
import type { Exchange } from './http-server.ts'

const INPUTS_MAX = 2048

const tokenIds = z.array(z.number().int().min(0)).min(1)

const embeddingSchema = z.object({
  model: z.string().nullish(),
  input: z.union([
    z.string().min(1),
    z.array(z.string().min(1)).min(1).max(INPUTS_MAX),
    tokenIds,
    z.array(tokenIds).min(1).max(INPUTS_MAX),
  ]),
  encoding_format: z.enum(['float', 'base64']).nullish(),
  dimensions: z.number().nullish(),
})

export async function handleEmbeddings(engine: Engine, exchange: Exchange): Promise<void> {
  const body = checked(embeddingSchema, exchange.body)
  checkModel(engine, body.model)
  if (body.dimensions != null)
    throw new GristmillError('unsupported_parameter', {
      param: 'dimensions',
      reason: 'vectors have the length that the model gives them',
    })
  const given = await promptTokens(engine, body.input, 'input')
  const inputs = given.map((tokens) => engine.embedder.withEnds(tokens))
  for (const input of inputs) checkLength(input, engine.embedder.inputTokensMax)
  const progress = newProgress()
  const data: object[] = []
  engine.embedder.requests++
  const work = onRecord(engine, exchange, progress, async (signal) => {
    for (const [index, input] of inputs.entries()) {
      if (signal.aborted) return 'aborted'
      const vector = await embed(engine, input)
      progress.promptTokens += input.length
      const embedding = body.encoding_format === 'base64' ? base64(vector) : [...vector]
      data.push({ object: 'embedding', index, embedding })
    }
    const usage = { prompt_tokens: progress.promptTokens, total_tokens: progress.promptTokens }
    exchange.sendJson({ object: 'list', data, model: engine.loaded.name, usage })
    return 'finished'
  })
  await work.finally(() => engine.embedder.requests--)
}

const embed = ({ driver, embedder }: Engine, input: Token[]) =>
  embedder.worksInPieces ? embedder.embed(input) : driver.exclusively(() => embedder.embed(input))

/**
 * Prompts given as text, tokens, or several of either.
 * @throws GristmillError `invalid_value` for a token that the model does not have
 */
export async function promptTokens(
  engine: Engine,
  given: string | string[] | number[] | number[][],
  param: string,
): Promise<Token[][]> {
  const several = Array.isArray(given) && typeof given[0] !== 'number'
  const prompts = several ? (given as (string | number[])[]) : [given as string | number[]]
  const vocabulary = engine.loaded.summary.vocabularySize
  const result: Token[][] = []
  for (const prompt of prompts) {
    // Many short ones hold up running streams as one long one does.
    if (result.length > 0) await setImmediate()
    if (typeof prompt === 'string') result.push(await engine.template.encodePlain(prompt, param))
    else if (prompt.every((token) => token < vocabulary)) result.push(prompt as Token[])
    else throw new GristmillError('invalid_value', { param, reason: 'there is no such token' })
  }
  return result
}

function checkLength(input: readonly Token[], max: number): void {
  if (input.length === 0)
    throw new GristmillError('invalid_value', { param: 'input', reason: 'it is empty' })
  if (input.length > max)
    throw new GristmillError('context_length_exceeded', {
      param: 'input',
      contextTokens: max,
      requestTokens: input.length,
      promptTokens: input.length,
      maxTokens: 0,
    })
}

const base64 = (vector: Float32Array) =>
  Buffer.from(vector.buffer, vector.byteOffset, vector.byteLength).toString('base64')
