/**
 * A real OpenID provider (`oidc-provider`) on this machine: people sign in by naming an account in
 * a form, programs get tokens for the audience `gristmill` with a client's secret.
 */
import { generateKeyPairSync } from 'node:crypto'
import { mkdtempSync, writeFileSync } from 'node:fs'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import Provider, { type Context } from 'oidc-provider'

export interface ProviderAccount {
  email: string
  email_verified: boolean
  name: string
  groups: string[]
}

export interface TestProvider {
  issuer: string
  clientId: string
  clientSecret: string
  /** Accounts by subject; may be changed while it runs. */
  accounts: Map<string, ProviderAccount>
  /** Groups of programs by their client; in their tokens. */
  programGroups: Map<string, string[]>
  /** What else their tokens claim. */
  programClaims: Map<string, Record<string, unknown>>
  /** A token of the program whose name is its client, good for ten minutes. */
  tokenOfProgram(clientId: string, options?: { audience?: string }): Promise<string>
  /** Goes away: connections are refused until `comeBack`. */
  goAway(): Promise<void>
  comeBack(): Promise<void>
  close(): Promise<void>
}

const PROGRAMS = ['nightly-job']
const SECRET = 'a secret of the tests only'

/** @param callbacks where people may be sent back to; read at the first request */
export async function startProvider(callbacks: readonly string[]): Promise<TestProvider> {
  const accounts = new Map<string, ProviderAccount>()
  const server = createServer()
  const listen = (port: number) =>
    new Promise<void>((resolve) => server.listen(port, '127.0.0.1', resolve))
  await listen(0)
  const { port } = server.address() as AddressInfo
  const issuer = `http://127.0.0.1:${port}`
  const programGroups = new Map<string, string[]>()
  const programClaims = new Map<string, Record<string, unknown>>()
  const parts = { accounts, programGroups, programClaims, callbacks }
  let provider: Provider | undefined
  server.on('request', (request, response) => {
    provider ??= new Provider(issuer, configuration(parts))
    if (request.url?.startsWith('/interaction/')) void interaction(provider, request, response)
    else provider.callback()(request, response)
  })
  const goAway = () =>
    new Promise<void>((resolve) => {
      server.close(() => resolve())
      server.closeAllConnections()
    })
  return {
    issuer,
    clientId: 'gristmill',
    clientSecret: SECRET,
    accounts,
    programGroups,
    programClaims,
    async tokenOfProgram(clientId, { audience = 'urn:gristmill' } = {}) {
      const response = await fetch(`${issuer}/token`, {
        method: 'POST',
        headers: { authorization: `Basic ${btoa(`${clientId}:${encodeURIComponent(SECRET)}`)}` },
        body: new URLSearchParams({ grant_type: 'client_credentials', resource: audience }),
      })
      const { access_token: token } = (await response.json()) as { access_token?: string }
      if (token === undefined) throw new Error(`no token: ${response.status}`)
      return token
    },
    goAway,
    comeBack: () => listen(port),
    close: goAway,
  }
}

/** What a server has to be told of a provider; the secret as it comes, from a file. */
export function providerEnvironment(provider: TestProvider): Record<string, string> {
  const folder = mkdtempSync(join(tmpdir(), 'gristmill-secret-'))
  const file = join(folder, 'client-secret')
  writeFileSync(file, `${provider.clientSecret}\n`)
  return {
    GRISTMILL_OIDC_ISSUER: provider.issuer,
    GRISTMILL_OIDC_NAME: 'The company',
    GRISTMILL_OIDC_CLIENT_ID: provider.clientId,
    GRISTMILL_OIDC_CLIENT_SECRET_FILE: file,
  }
}

interface Parts {
  accounts: Map<string, ProviderAccount>
  programGroups: Map<string, string[]>
  programClaims: Map<string, Record<string, unknown>>
  callbacks: readonly string[]
}

function configuration(parts: Parts): Record<string, unknown> {
  const { accounts, programGroups, programClaims, callbacks } = parts
  const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  const key = { ...privateKey.export({ format: 'jwk' }), alg: 'ES256', use: 'sig', kid: 'test' }
  const program = (id: string) => ({
    client_id: id,
    client_secret: SECRET,
    grant_types: ['client_credentials'],
    redirect_uris: [],
    response_types: [],
  })
  const console = {
    client_id: 'gristmill',
    client_secret: SECRET,
    redirect_uris: callbacks,
    id_token_signed_response_alg: 'ES256',
  }
  return {
    clients: [console, ...PROGRAMS.map(program)],
    clientDefaults: { id_token_signed_response_alg: 'ES256' },
    jwks: { keys: [key] },
    claims: { openid: ['sub'], email: ['email', 'email_verified'], profile: ['name', 'groups'] },
    // So that the ID token holds what is asked for, as with Entra, Okta and Keycloak.
    conformIdTokenClaims: false,
    cookies: { keys: ['test'] },
    pkce: { required: () => true },
    interactions: { url: (_: unknown, { uid }: { uid: string }) => `/interaction/${uid}` },
    features: {
      devInteractions: { enabled: false },
      clientCredentials: { enabled: true },
      resourceIndicators: {
        enabled: true,
        getResourceServerInfo: (_: unknown, resource: string) => ({
          scope: '',
          audience: resource.replace('urn:', ''),
          accessTokenFormat: 'jwt',
          accessTokenTTL: 600,
          jwt: { sign: { alg: 'ES256' } },
        }),
      },
    },
    findAccount: (_: unknown, sub: string) => {
      const account = accounts.get(sub)
      return account && { accountId: sub, claims: () => ({ sub, ...account }) }
    },
    extraTokenClaims: (_: unknown, { clientId }: { clientId: string }) => ({
      groups: programGroups.get(clientId),
      ...programClaims.get(clientId),
    }),
    loadExistingGrant,
  }
}

/** Everybody has agreed to everything. */
async function loadExistingGrant({ oidc: { provider, client, session } }: Context) {
  const grant = new provider.Grant({ clientId: client.clientId, accountId: session.accountId })
  grant.addOIDCScope('openid email profile')
  await grant.save()
  return grant
}

/** The provider's own page: a form that takes the name of an account. */
async function interaction(provider: Provider, request: IncomingMessage, response: ServerResponse) {
  if (request.method === 'POST') {
    let text = ''
    for await (const chunk of request) text += String(chunk)
    const accountId = new URLSearchParams(text).get('account')
    const result = accountId
      ? { login: { accountId } }
      : { error: 'access_denied', error_description: 'You said no' }
    await provider.interactionFinished(request, response, result)
    return
  }
  response.writeHead(200, { 'content-type': 'text/html' })
  response.end(`<!doctype html><title>The company</title><link rel="icon" href="data:,"><form method="post">
    <label>Account <input name="account"></label><button>Go on</button></form>`)
}
