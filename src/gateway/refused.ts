/** What the pool refuses a request with, in the words of whoever asked. */
import { GristmillError, type ServiceClass } from '../base/index.ts'
import type { LifeOptions } from './life-types.ts'

/** @param options of the request that it refuses */
export function inOwnWords(error: GristmillError, options: LifeOptions): GristmillError {
  const { principal, request, standing } = options
  if (error.code === 'wait_limit_exceeded') return patienceEnded(error, standing.serviceClass)
  return inOwnNames(error, principal.tenantName, request.model)
}

/** Flex is told as OpenAI's clients know it: nothing is free, try again or pay for more. */
function patienceEnded(error: GristmillError, serviceClass: ServiceClass): GristmillError {
  if (serviceClass !== 'flex') return error
  const { retryAfterMs } = error
  const options = { cause: error, ...(retryAfterMs !== undefined && { retryAfterMs }) }
  return new GristmillError('resource_unavailable', { class: serviceClass }, options)
}

/** The pool knows tenants by id and queues by engines; whoever reads the error knows names. */
function inOwnNames(error: GristmillError, tenant: string, model: string): GristmillError {
  const { code, details, retryAfterMs } = error
  const own = {
    ...(details.tenant !== undefined && { tenant }),
    ...(details.model !== undefined && { model }),
  }
  if (Object.keys(own).length === 0) return error
  const options = { cause: error, ...(retryAfterMs !== undefined && { retryAfterMs }) }
  return new GristmillError(code, { ...details, ...own }, options)
}
