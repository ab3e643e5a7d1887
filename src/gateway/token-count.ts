/** `POST /v1/messages/count_tokens`: how long a prompt is, by whoever can tell best. */
import type { Clock } from '../base/index.ts'
import type { Principal } from '../tenancy/index.ts'
import { readCount } from './messages/request.ts'
import { modelFor } from './model-list.ts'
import { estimateChat } from './token-estimate.ts'
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
  const chat = readCount(body)
  modelFor(options.models, principal, chat.model)
  const model = options.routes.find(chat.model)?.targets[0]?.model ?? chat.model
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
