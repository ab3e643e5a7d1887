/** `POST /v1/messages/count_tokens`: how long a prompt is, by whoever can tell best. */
import { type Clock, GristmillError } from '../base/index.ts'
import type { Principal } from '../tenancy/index.ts'
import { parseObject } from './canonical.ts'
import { chatOr } from './messages/request.ts'
import { modelFor } from './model-list.ts'
import { estimateBody, estimateChat } from './token-estimate.ts'
import type { ModelDirectory, RouteTable, Tokenizer } from './types.ts'

const ASK_MS_MAX = 2000

export interface TokenCount {
  inputTokens: number
  /** Who counted: an engine's tokenizer, or our estimate. */
  by: 'engine' | 'estimate'
}

/** @throws GristmillError what is wrong with the body, or `model_not_found` */
export async function countTokens(
  body: Buffer,
  principal: Principal,
  options: { models: ModelDirectory; routes: RouteTable; tokenizer: Tokenizer; clock: Clock },
): Promise<TokenCount> {
  const fields = parseObject(body)
  const chat = chatOr(fields)
  const named = typeof fields.model === 'string' ? fields.model : ''
  const model = options.routes.find(named)?.targets[0]?.model ?? named
  if (chat instanceof GristmillError) {
    if (options.models.find(model)?.speaksMessages !== true) throw chat
    modelFor(options.models, principal, named)
    return { inputTokens: estimateBody(fields), by: 'estimate' }
  }
  modelFor(options.models, principal, named)
  const enough = new AbortController()
  const timer = options.clock.after(ASK_MS_MAX, () => enough.abort())
  try {
    const inputTokens = await options.tokenizer.countTokens(model, chat, enough.signal)
    if (inputTokens !== null) return { inputTokens, by: 'engine' }
  } finally {
    timer.cancel()
  }
  return { inputTokens: estimateChat(chat), by: 'estimate' }
}
