/** The admin API put together: request ids, body bounds, every room's routes, errors, document. */
import type { IncomingMessage } from 'node:http'
import { HTTPException } from 'hono/http-exception'
import {
  type ErrorCode,
  errorHeaders,
  GristmillError,
  newId,
  openAiErrorBody,
} from '../base/index.ts'
import type { Identity } from './access.ts'
import { alertRoutes } from './alert-routes.ts'
import { type Api, newApi } from './api.ts'
import { auditRoutes } from './audit-routes.ts'
import { batchRoutes } from './batch-routes.ts'
import { budgetRoutes } from './budget-routes.ts'
import { chargeRoutes } from './charge-routes.ts'
import { chargebackRoutes } from './chargeback-routes.ts'
import { clusterRoutes } from './cluster-routes.ts'
import { costRoutes } from './cost-routes.ts'
import { costTrendRoutes } from './cost-trend-routes.ts'
import { creditRoutes } from './credit-routes.ts'
import { demoRoutes } from './demo-routes.ts'
import { engineKeyRoutes } from './engine-key-routes.ts'
import { engineRoutes } from './engine-routes.ts'
import { healthRoutes } from './health-routes.ts'
import { keyRoutes } from './key-routes.ts'
import { ledgerRoutes } from './ledger-routes.ts'
import { modelRouteRoutes } from './model-route-routes.ts'
import { type OidcParts, oidcRoutes } from './oidc-routes.ts'
import { type PeopleParts, peopleRoutes } from './people-routes.ts'
import { PLAN_PATH, planRoutes } from './plan-routes.ts'
import { priceRoutes } from './price-routes.ts'
import { queueRoutes } from './queue-routes.ts'
import { reconciliationRoutes } from './reconciliation-routes.ts'
import { REQUEST_ID_HEADER, visibleError } from './responses.ts'
import { retentionRoutes } from './retention-routes.ts'
import { type ScimParts, scimRoutes } from './scim-routes.ts'
import { SCIM_ROOT, SCIM_TYPE, scimErrorBody } from './scim-shapes.ts'
import { securityHeaders } from './security-headers.ts'
import { serviceAccountRoutes } from './service-account-routes.ts'
import type { HttpOptions } from './services.ts'
import { sessionRoutes } from './session-routes.ts'
import { documentStreams } from './stream-routes.ts'
import { tenancyRoutes } from './tenancy-routes.ts'
import { traceRoutes } from './trace-routes.ts'
import { usageRoutes } from './usage-routes.ts'
import { webhookRoutes } from './webhook-routes.ts'

export interface AppParts extends OidcParts, PeopleParts, ScimParts {
  identity: Identity
}

/** Admin bodies are small; the gateway has a larger bound of its own. */
const BODY_BYTES_MAX = 1024 * 1024

/** @param options the services behind the routes */
export function createApp(options: HttpOptions, parts: AppParts): Api {
  const api = newApi()
  const { clock, random, limits, logger } = options
  api.use(async (c, next) => {
    c.set('requestId', newId('req', clock, random))
    c.set('identity', parts.identity)
    await next()
    c.header(REQUEST_ID_HEADER, c.get('requestId'))
    if (!c.res.headers.has('cache-control')) c.header('cache-control', 'no-store')
    for (const [name, value] of Object.entries(securityHeaders)) {
      // A page of its own says itself what it may load.
      if (!c.res.headers.has(name)) c.header(name, value)
    }
  })
  const standard = Math.min(BODY_BYTES_MAX, limits.bodyBytesMax)
  api.use(async (c, next) => {
    if (!c.req.url.includes('%00')) return next()
    // Nothing has such a name, and the database cannot even be asked.
    const reason = 'it must not have the character NUL'
    throw new GristmillError('invalid_value', { param: 'url', reason })
  })
  api.use(async (c, next) => {
    const isTrace = c.req.path === PLAN_PATH
    checkLength(c.env.incoming, isTrace ? limits.planTraceBytesMax : standard)
    await next()
  })
  addRoutes(api, options, parts)
  documentStreams(api)
  document(api, options.version)
  api.notFound((c) => {
    const { method, path } = c.req
    const allowed = methodsAt(api, path)
    if (allowed.length === 0) throw new GristmillError('unknown_path', { method, path })
    c.header('allow', allowed.join(', '))
    throw new GristmillError('method_not_allowed', { method, path, allowed: allowed.join(', ') })
  })
  api.onError((thrown, c) => {
    const requestId = c.get('requestId')
    const known = thrown instanceof HTTPException ? ofHono(thrown) : thrown
    const error = visibleError(known, logger, requestId)
    for (const [name, value] of Object.entries(errorHeaders(error))) c.header(name, value)
    const isScim = c.req.path.startsWith(`${SCIM_ROOT}/`)
    c.header('content-type', isScim ? SCIM_TYPE : 'application/json')
    const told = isScim ? scimErrorBody(error) : openAiErrorBody(error, requestId)
    return c.body(JSON.stringify(told), error.status as 400)
  })
  return api
}

function addRoutes(api: Api, options: HttpOptions, parts: AppParts): void {
  healthRoutes(api, options, parts.address)
  tenancyRoutes(api, options)
  webhookRoutes(api, options)
  traceRoutes(api, options)
  keyRoutes(api, options)
  serviceAccountRoutes(api, options)
  queueRoutes(api, options)
  auditRoutes(api, options)
  sessionRoutes(api, options, parts)
  oidcRoutes(api, options, parts)
  peopleRoutes(api, options, parts)
  scimRoutes(api, options, parts)
  engineRoutes(api, options)
  modelRouteRoutes(api, options)
  engineKeyRoutes(api, options)
  clusterRoutes(api, options)
  costRoutes(api, options)
  chargebackRoutes(api, options)
  costTrendRoutes(api, options)
  ledgerRoutes(api, options)
  retentionRoutes(api, options)
  reconciliationRoutes(api, options)
  usageRoutes(api, options)
  chargeRoutes(api, options)
  priceRoutes(api, options)
  budgetRoutes(api, options)
  creditRoutes(api, options)
  alertRoutes(api, options)
  batchRoutes(api, options)
  demoRoutes(api, options)
  planRoutes(api, options)
}

/** A body must say its length, so that one that is too large is refused before it is read. */
function checkLength({ headers }: IncomingMessage, maxBytes: number): void {
  if (headers['transfer-encoding'] !== undefined) {
    const reason = 'a body of the admin API needs its length'
    throw new GristmillError('invalid_value', { param: 'content-length', reason })
  }
  if (Number(headers['content-length'] ?? 0) > maxBytes) {
    throw new GristmillError('body_too_large', { maxBytes })
  }
}

/** Hono's own refusals: a body that is no JSON, or of the wrong type. */
function ofHono(exception: HTTPException): GristmillError {
  const code: ErrorCode = exception.status === 413 ? 'body_too_large' : 'invalid_json'
  return new GristmillError(code, { reason: exception.message || 'it cannot be read' })
}

function methodsAt(api: Api, path: string): string[] {
  const routes = api.openAPIRegistry.definitions.flatMap((definition) =>
    definition.type === 'route' ? [definition.route] : [],
  )
  const matching = routes.filter((route) => {
    const pattern = route.path.replaceAll('.', '\\.').replace(/\{\w+\}/g, '[^/]+')
    return new RegExp(`^${pattern}$`).test(path)
  })
  return [...new Set(matching.map((route) => route.method.toUpperCase()))].sort()
}

function document(api: Api, version: string): void {
  api.openAPIRegistry.registerComponent('securitySchemes', 'key', {
    type: 'http',
    scheme: 'bearer',
    description: 'A key; what it may do depends on its scopes.',
  })
  api.openAPIRegistry.registerComponent('securitySchemes', 'session', {
    type: 'apiKey',
    in: 'cookie',
    name: 'gristmill.session_token',
    description: 'A signed-in person; changes need the header x-csrf-token as well.',
  })
  api.doc31('/api/openapi.json', {
    openapi: '3.1.0',
    info: { title: 'Gristmill admin API', version, license: { name: 'Apache-2.0' } },
  })
}
