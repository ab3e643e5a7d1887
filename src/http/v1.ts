/**
 * The hot path: everything below `/v1/` from the socket to the gateway. Checks path, key and
 * scope; bodies are the gateway's business.
 */
import type { IncomingMessage, ServerResponse } from 'node:http'
import { GristmillError, newId } from '../base/index.ts'
import { errorShapeOf } from '../gateway/index.ts'
import type { Principal } from '../tenancy/index.ts'
import { secretOf } from './bearer.ts'
import { budgetView } from './budget-views.ts'
import type { ClientAddress } from './client-address.ts'
import { passedHome, repeatedBy } from './forward.ts'
import { isBelow, v1EndpointAt, v1Folders } from './permissions.ts'
import { queueView } from './queue-view.ts'
import { REQUEST_ID_HEADER, sendError, sendJson, visibleError } from './responses.ts'
import type { HttpOptions } from './services.ts'

/** Whether a request brings a file, which may take its time. */
export const isUpload = (url: string) => isBelow(url, v1Folders.files)

type Handler = (request: IncomingMessage, response: ServerResponse) => void

/** @param options the services behind it */
export function v1Handler(options: HttpOptions, address: ClientAddress): Handler {
  const { tenancy, clock, random, logger } = options
  const elsewhere = elsewhereOf(options, address)
  return (request, response) => {
    const requestId = newId('req', clock, random)
    const refuse = (thrown: unknown) => {
      const error = visibleError(thrown, logger, requestId)
      const errors = errorShapeOf(pathOf(request), request.headers)
      sendError(response, error, requestId, allowOf(thrown), errors)
    }
    const go = (principal: Principal | null) => {
      try {
        const asker = admitted(request, principal)
        const here = () => serve(options, request, response, requestId, asker)
        const served = elsewhere(request, response, here, refuse) ?? here()
        if (served instanceof Promise) served.catch(refuse)
      } catch (error) {
        refuse(error)
      }
    }
    try {
      const secret = secretOf(request.headers)
      if (secret === undefined) throw new GristmillError('missing_api_key')
      const principal = tenancy.authenticate(secret)
      if (principal instanceof Promise) principal.then(go, refuse)
      else go(principal)
    } catch (error) {
      refuse(error)
    }
  }
}

type Elsewhere = (
  request: IncomingMessage,
  response: ServerResponse,
  here: () => unknown,
  refuse: (error: GristmillError) => void,
) => Promise<unknown> | undefined

/** Has what repeats a request answered where that ran; undefined where that can only be here. */
function elsewhereOf({ peers }: HttpOptions, address: ClientAddress): Elsewhere {
  if (peers === undefined) return () => undefined
  return (request, response, here, refuse) => {
    const key = repeatedBy(request, pathOf(request))
    if (key === undefined) return undefined
    const lost = () => refuse(new GristmillError('gateway_lost'))
    const passed = passedHome({ peers, address }, request, response, key, lost)
    return passed.then((isPassed) => isPassed || here())
  }
}

/** @throws GristmillError `invalid_api_key`, `unknown_path`, `method_not_allowed`, `forbidden` */
function admitted(request: IncomingMessage, principal: Principal | null): Principal {
  if (principal === null) throw new GristmillError('invalid_api_key')
  const path = pathOf(request)
  const endpoint = v1EndpointAt(path)
  const method = request.method ?? ''
  if (endpoint === undefined) throw new GristmillError('unknown_path', { method, path })
  if (endpoint.method !== null && method !== endpoint.method) {
    throw new GristmillError('method_not_allowed', { method, path, allowed: endpoint.method })
  }
  if (!endpoint.scopes.some((scope) => principal.scopes.has(scope))) {
    const action = `use ${path} without the scope ${endpoint.scopes[0]}`
    throw new GristmillError('forbidden', { actor: `The key ${principal.keyName}`, action })
  }
  return principal
}

function serve(
  options: HttpOptions,
  request: IncomingMessage,
  response: ServerResponse,
  requestId: string,
  principal: Principal,
): unknown {
  const path = pathOf(request)
  if (isBelow(path, v1Folders.batches)) {
    return options.batchDoor.handle(request, response, principal, requestId)
  }
  if (isBelow(path, v1Folders.files)) {
    return options.fileDoor.handle(request, response, principal, requestId)
  }
  if (isBelow(path, v1Folders.responses)) {
    return options.responseDoor.handle(request, response, principal, requestId)
  }
  if (path === '/v1/budget') return tellBudgets(options, response, requestId, principal)
  if (path !== '/v1/queue') {
    return options.gateway.handle(request, response, principal, requestId)
  }
  const view = queueView(options, [principal.tenantId])
  return sendJson(response, 200, view, { [REQUEST_ID_HEADER]: requestId })
}

/** Budgets that apply to every request with the key. */
async function tellBudgets(
  { budgets, prices }: HttpOptions,
  response: ServerResponse,
  requestId: string,
  { tenantId, projectId, keyId }: Principal,
): Promise<void> {
  const standings = await budgets.standings({ tenantId, projectId, keyId, endUser: null })
  const views = standings.map((one) => budgetView(one, prices.currency))
  sendJson(response, 200, { budgets: views }, { [REQUEST_ID_HEADER]: requestId })
}
function pathOf({ url = '' }: IncomingMessage): string {
  const end = url.indexOf('?')
  return end === -1 ? url : url.slice(0, end)
}

const allowOf = (thrown: unknown): Record<string, string> =>
  thrown instanceof GristmillError && thrown.code === 'method_not_allowed'
    ? { allow: String(thrown.details.allowed) }
    : {}
