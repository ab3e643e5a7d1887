/** Routes of signing in with an OpenID provider, and of the rules for its groups. */
import { createRoute, z } from '@hono/zod-openapi'
import type { Context } from 'hono'
import { GristmillError } from '../base/index.ts'
import { accessRulesInput } from '../tenancy/index.ts'
import { type Api, type ApiEnvironment, answer, body, needs, schemas } from './api.ts'
import type { AccessRulesView } from './contract.ts'
import { checkOrigin } from './csrf.ts'
import type { Directory } from './directory.ts'
import { CALLBACK_PATH, type OidcLogin } from './oidc-login.ts'
import { visibleError } from './responses.ts'
import type { HttpOptions } from './services.ts'
import { agentOf, type SessionParts, setCookies } from './session-routes.ts'

export interface OidcParts extends SessionParts {
  directory: Directory
  /** null where no provider is configured. */
  oidc: OidcLogin | null
}

const tags = ['session']

const begin = createRoute({
  ...needs('public'),
  tags,
  method: 'post',
  path: '/api/session/oidc',
  summary: 'Begin to sign in with the identity provider: the address to go to',
  request: {
    body: body(
      z.strictObject({
        /** A path of the console, which no other site can be. */
        to: z
          .string()
          .max(500)
          .regex(/^\/(?![/\\])[^\\\p{Cc}]*$/u, 'it must be a path of the console')
          .default('/'),
      }),
    ),
  },
  responses: { 200: answer('Where to go.', z.object({ url: z.string() })) },
})

const callback = createRoute({
  ...needs('public'),
  tags,
  method: 'get',
  path: CALLBACK_PATH,
  summary: 'Where the identity provider sends people back to',
  responses: { 302: { description: 'To the console, signed in or with the reason why not.' } },
})

const readRules = createRoute({
  ...needs('users:read'),
  tags: ['users'],
  method: 'get',
  path: '/api/access-rules',
  summary: 'What groups of the directory may, in order',
  responses: { 200: answer('The rules.', schemas.accessRules) },
})

const writeRules = createRoute({
  ...needs('users:write'),
  tags: ['users'],
  method: 'put',
  path: '/api/access-rules',
  summary: 'Put rules in place of those there are; they hold at once, for sessions too',
  request: { body: body(accessRulesInput) },
  responses: { 200: answer('The rules.', schemas.accessRules) },
})

/** @param api where the routes are added */
export function oidcRoutes(api: Api, options: HttpOptions, parts: OidcParts): void {
  const { oidc, throttle, address } = parts
  api.openapi(begin, async (c) => {
    checkOrigin(c.env.incoming, options.publicUrl)
    if (oidc === null) {
      const { method, path } = c.req
      throw new GristmillError('unknown_path', { method, path })
    }
    const { url, cookie } = await oidc.begin(c.req.valid('json').to)
    setCookies(c, [cookie])
    return c.json({ url }, 200)
  })
  api.openapi(callback, async (c) => {
    const from = address.of(c.env.incoming)
    try {
      throttle.begin(from, null)
      const to = await finish(c, options, parts, from)
      throttle.forgive(from, null)
      return c.redirect(to, 302)
    } catch (thrown) {
      const error = visibleError(thrown, options.logger, c.get('requestId'))
      const { code, message } = error
      options.logger.warn({ code, message, requestId: c.get('requestId') }, 'a sign-in failed')
      if (oidc) setCookies(c, [oidc.forget()])
      const why = new URLSearchParams({ failed: code, request: c.get('requestId') })
      return c.redirect(`/?${why.toString()}`, 302)
    }
  })
  ruleRoutes(api, options, parts)
}

/** Signs in whoever has come back. @returns where they go */
async function finish(
  c: Context<ApiEnvironment>,
  { tenancy }: HttpOptions,
  { oidc, directory, login }: OidcParts,
  from: string,
): Promise<string> {
  if (oidc === null) throw new GristmillError('unknown_path', { method: 'GET', path: c.req.path })
  const query = new URL(c.req.url).searchParams
  const { identity, to } = await oidc.finish(query, c.req.header('cookie') ?? '')
  const person = await directory.enter(identity, from)
  const made = await login.begin(person.id, from, agentOf(c))
  const actor = { name: `user:${person.email}`, from }
  const detail = { by: 'oidc', role: person.role }
  const entry = { action: 'session.sign-in', subject: 'session', tenantId: null, detail }
  await tenancy.audit.record(actor, entry)
  setCookies(c, [...made.cookies, oidc.forget()])
  return to
}

function ruleRoutes(api: Api, options: HttpOptions, { directory }: OidcParts): void {
  const { accessRules } = options.tenancy
  const view = async (): Promise<AccessRulesView> => {
    const issuer = options.issuer?.options
    const provider = issuer && {
      name: issuer.name,
      issuer: issuer.issuer,
      groupsClaim: issuer.groupsClaim,
    }
    return { rules: await accessRules.list(), provider: provider ?? null }
  }
  api.openapi(readRules, async (c) => c.json(await view(), 200))
  api.openapi(writeRules, async (c) => {
    await directory.changeRules(c.req.valid('json').rules, c.get('access').actor)
    return c.json(await view(), 200)
  })
}
