/** Routes that tell about the engine: health, models, metrics, requests, token counts. */
import { z } from 'zod'
import { checked, GristmillError } from '../base/index.ts'
import { parseChatBody } from './chat-request.ts'
import { renderPrompt } from './chat-route.ts'
import { checkModel, type Engine } from './engine.ts'
import type { Exchange } from './http-server.ts'
import { requestView } from './request-log.ts'
import { isToy } from './toy-model.ts'

/** Tells also a step that hangs: the event loop answers all the same. */
export function handleHealth({ driver }: Pick<Engine, 'driver'>, exchange: Exchange): void {
  const { hungMs } = driver.turns
  if (hungMs !== undefined) {
    const reason = `a step has not ended for ${Math.round(hungMs / 1000)} s`
    throw new GristmillError('engine_failed', { reason })
  }
  exchange.sendJson({ status: 'ok' })
}

export function handleModels(engine: Engine, exchange: Exchange): void {
  const { loaded, contextTokens, cap, express, spare } = engine
  const { summary } = loaded
  const model = {
    id: loaded.name,
    object: 'model',
    created: 0,
    owned_by: 'gristmill',
    max_model_len: contextTokens,
    meta: {
      n_ctx: contextTokens,
      n_ctx_train: summary.contextTokens,
      n_params: summary.parameters,
      n_vocab: summary.vocabularySize,
      size: summary.fileBytes,
      architecture: summary.architecture,
      quantisation: summary.quantisation,
      toy: isToy(summary),
      embeds_only: summary.embedsOnly,
      cap,
      express,
      spare,
      slots: cap + express + spare,
      threads: engine.threads,
      calibration: engine.calibration ?? null,
    },
  }
  exchange.sendJson({ object: 'list', data: [model] })
}

export async function handleMetrics(engine: Engine, exchange: Exchange): Promise<void> {
  const { registry } = engine.metrics
  const text = await registry.metrics()
  exchange.response.writeHead(200, { 'content-type': registry.contentType })
  exchange.response.end(text)
}

export function handleRequest(engine: Engine, exchange: Exchange): void {
  exchange.sendJson(requestView(findRequest(engine, exchange)))
}

export function handleCancel(engine: Engine, exchange: Exchange): void {
  const record = findRequest(engine, exchange)
  const reason = new GristmillError('engine_failed', { reason: 'the request was cancelled' })
  if (record.end === undefined) record.abort(reason)
  exchange.sendJson(requestView(record))
}

function findRequest(engine: Engine, exchange: Exchange) {
  const id = exchange.params.id ?? ''
  const record = engine.requests.find(id)
  if (!record) throw new GristmillError('not_found', { kind: 'request', id })
  return record
}

const plainPrompt = z.object({ prompt: z.string(), model: z.string().nullish() })

/** Token count of a text or of a rendered conversation. */
export async function handleTokenize(engine: Engine, exchange: Exchange): Promise<void> {
  const body = exchange.body
  const isChat = typeof body === 'object' && body !== null && 'messages' in body
  const fields = isChat ? parseChatBody(body) : checked(plainPrompt, body)
  checkModel(engine, fields.model)
  const tokens =
    'prompt' in fields
      ? await engine.template.encodePlain(fields.prompt)
      : await renderPrompt(engine, fields)
  exchange.sendJson({ count: tokens.length, tokens, max_model_len: engine.contextTokens })
}
