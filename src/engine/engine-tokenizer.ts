/** Asks an engine's own tokenizer how long a prompt is; every program has its own way to ask. */
import { z } from 'zod'
import { parsedJson } from './parsed-json.ts'
import type { EngineProfile } from './types.ts'

type Post = (path: string, body: object) => Promise<{ status: number; text: string }>

const countSchema = z.object({ count: z.number().int().min(0) })
const promptSchema = z.object({ prompt: z.string() })
const tokensSchema = z.object({ tokens: z.array(z.unknown()) })

/**
 * @param chat fields of a chat request
 * @returns tokens, or null where this kind of engine has no tokenizer to ask, or refuses
 */
export async function readTokenCount(
  kind: EngineProfile['kind'],
  chat: Record<string, unknown>,
  post: Post,
): Promise<number | null> {
  const { model, messages, tools } = chat
  const asked = { model, messages, ...(tools !== undefined && { tools }) }
  if (kind === 'gristmill' || kind === 'vllm') {
    const answer = await ask(post, '/tokenize', asked, countSchema)
    return answer?.count ?? null
  }
  if (kind !== 'llama.cpp') return null
  const rendered = await ask(post, '/apply-template', asked, promptSchema)
  if (rendered === null) return null
  const text = { content: rendered.prompt, add_special: true, parse_special: true }
  const answer = await ask(post, '/tokenize', text, tokensSchema)
  return answer?.tokens.length ?? null
}

async function ask<Schema extends z.ZodType>(
  post: Post,
  path: string,
  body: object,
  schema: Schema,
): Promise<z.output<Schema> | null> {
  const { status, text } = await post(path, body)
  if (status !== 200) return null
  const answer = schema.safeParse(parsedJson(text))
  return answer.success ? answer.data : null
}
