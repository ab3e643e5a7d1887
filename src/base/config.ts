/**
 * Configuration: parsed and checked once, as a whole. Only this file reads `process.env`.
 */
import { homedir, userInfo } from 'node:os'
import { join } from 'node:path'
import { z } from 'zod'
import { withoutEmpty } from './config-empty.ts'
import { readLimits } from './config-limits.ts'
import { mailContradictions, mailOf, moneyVariables } from './config-money.ts'
import { CONFIG_FILE, type Environment, type Gathered, gather } from './config-sources.ts'
import type { Config, OidcConfig, SyslogConfig, TracesConfig } from './config-types.ts'
import { GristmillError } from './errors.ts'
import { type Limits, limitTable } from './limits.ts'

const port = z.coerce.number().int().min(0).max(65_535)
const flag = z
  .enum(['0', '1', 'true', 'false', ''])
  .transform((value) => value === '1' || value === 'true')
const list = z.string().transform((value) =>
  value
    .split(',')
    .map((part) => part.trim())
    .filter(Boolean),
)

/** Without this `localhost:4400` would be an address of the protocol `localhost`. */
const webAddress = z.url({ protocol: /^https?$/, error: 'must begin with http:// or https://' })

const secretKey = z
  .base64()
  .transform((text) => Buffer.from(text, 'base64'))
  .refine(({ length }) => length === 32, 'must be 32 bytes in base64')
  .optional()

/** Every variable but the limits; the descriptions become the table in docs/operate.md. */
const schema = z.object({
  [CONFIG_FILE]: z
    .string()
    .min(1)
    .optional()
    .describe('file of `NAME=value` lines; what the environment says goes before it'),
  GRISTMILL_HOME: z
    .string()
    .min(1)
    .optional()
    .describe("data home (as root `/var/lib/gristmill`, else the platform's convention)"),
  GRISTMILL_HOST: z.string().min(1).default('127.0.0.1').describe('address to listen on'),
  GRISTMILL_PORT: port.default(4400).describe('port to listen on; 0 takes a free one'),
  GRISTMILL_PUBLIC_URL: webAddress
    .optional()
    .describe('address that people use where it differs, behind a proxy'),
  DATABASE_URL: z
    .string()
    .min(1)
    .optional()
    .describe('PostgreSQL 15 or newer to use instead of the embedded one'),
  GRISTMILL_CLUSTER_URL: webAddress
    .optional()
    .describe(
      'address at which other gateways reach this one, so that several share `DATABASE_URL`; needs both keys below, and no embedded engine',
    ),
  GRISTMILL_TEST_DATABASE_URL: z
    .string()
    .min(1)
    .optional()
    .describe('server on which the tests make their databases'),
  GRISTMILL_CONTENT_KEY: secretKey.describe(
    "32 bytes in base64 that seal tenants' files; the same for all gateways on one database",
  ),
  GRISTMILL_SECRET_KEY: secretKey.describe(
    'like it, for the keys of engines; without it one in the data home is used',
  ),
  GRISTMILL_SECRET_KEY_BEFORE: secretKey.describe(
    'the one before it, at the first start with another one',
  ),
  GRISTMILL_OIDC_ISSUER: z
    .url()
    .refine(isSafeAddress, 'must be https, but on this machine')
    .optional()
    .describe('OpenID provider that people sign in with, as it names itself'),
  GRISTMILL_OIDC_NAME: z
    .string()
    .min(1)
    .max(60)
    .default('single sign-on')
    .describe('what people call it'),
  GRISTMILL_OIDC_CLIENT_ID: z.string().min(1).optional().describe('as it knows us'),
  GRISTMILL_OIDC_CLIENT_SECRET: z
    .string()
    .min(1)
    .optional()
    .describe('secret that it gave us; none for a public client'),
  GRISTMILL_OIDC_SCOPES: z
    .string()
    .min(1)
    .default('openid email profile')
    .describe('what is asked of it'),
  GRISTMILL_OIDC_GROUPS_CLAIM: z
    .string()
    .min(1)
    .default('groups')
    .describe('claim of its tokens that names the groups of somebody'),
  GRISTMILL_OIDC_AUDIENCES: list
    .default([])
    .describe(
      'audiences of its tokens that are taken in place of keys, comma-separated; none where empty',
    ),
  GRISTMILL_PASSWORD_LOGIN: flag
    .default(true)
    .describe('`0` lets only the break-glass owner sign in with a password'),
  GRISTMILL_AUDIT_SYSLOG: z
    .url()
    .regex(/^(udp|tcp):\/\/[^/?#@]+:\d+\/?$/, 'must be like tcp://HOST:PORT or udp://HOST:PORT')
    .optional()
    .describe(
      'syslog server that the audit log is sent to, `tcp://HOST:PORT` or `udp://HOST:PORT`',
    ),
  GRISTMILL_OFFLINE: flag.default(false).describe('install and fetch nothing'),
  GRISTMILL_LOG_LEVEL: z
    .enum(['trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent'])
    .default('warn')
    .describe('least severe log lines written, `trace` to `fatal`, or `silent`'),
  GRISTMILL_MODEL: z
    .string()
    .min(1)
    .optional()
    .describe('model of the embedded engine, by name or path'),
  GRISTMILL_EMBEDDING_MODEL: z
    .string()
    .min(1)
    .optional()
    .describe(
      'model of a second engine that only embeds, by name or path; `all-minilm-l6-v2` is fetched',
    ),
  GRISTMILL_ENGINE: z
    .enum(['embedded', 'none'])
    .default('embedded')
    .describe('`none` starts no engine; add others with `gristmill engine add URL`'),
  GRISTMILL_ENGINE_GPU: z
    .enum(['off', 'auto', 'cuda', 'vulkan', 'metal'])
    .default('off')
    .describe('what the embedded engine computes on besides the processor'),
  GRISTMILL_ENGINE_CAP: z.coerce
    .number()
    .int()
    .min(1)
    .max(256)
    .optional()
    .describe('requests in flight at the embedded engine, over what calibration finds'),
  GRISTMILL_ENGINE_THREADS: z.coerce
    .number()
    .int()
    .min(1)
    .max(512)
    .optional()
    .describe('its threads, over what calibration finds and what the engine chooses by itself'),
  GRISTMILL_ENGINE_CONTEXT: z.coerce
    .number()
    .int()
    .min(256)
    .max(1_048_576)
    .optional()
    .describe('its tokens of context per request, over what memory and model allow'),
  ...moneyVariables,
  GRISTMILL_END_USER_HEADER: z
    .string()
    .toLowerCase()
    .optional()
    .describe('header naming the end user, trusted from keys with the scope `end_users`'),
  GRISTMILL_REVOKE_ENDS_STREAMS: flag
    .default(true)
    .describe('whether revoking a key ends its running streams'),
  GRISTMILL_SCHEDULER_ORDER: z
    .enum(['fair', 'fcfs'])
    .default('fair')
    .describe('`fcfs`, first come, first served, is for benchmarks'),
  GRISTMILL_TRUSTED_PROXIES: list
    .default([])
    .describe('addresses or CIDR ranges whose `x-forwarded-for` is believed, comma-separated'),
  GRISTMILL_WEBHOOK_TARGETS: list
    .default([])
    .describe(
      'addresses or CIDR ranges that webhooks and guards may reach though they are private, comma-separated; also by plain http',
    ),
  OTEL_EXPORTER_OTLP_ENDPOINT: webAddress
    .optional()
    .describe('OpenTelemetry collector (OTLP over HTTP) that gets a trace of each request'),
  OTEL_EXPORTER_OTLP_HEADERS: z
    .string()
    .min(1)
    .optional()
    .describe('headers for it, `name=value` with commas between them'),
  OTEL_TRACES_SAMPLER_ARG: z.coerce
    .number()
    .min(0)
    .max(1)
    .default(1)
    .describe('part of the requests that are traced; those that come traced always are'),
  HF_ENDPOINT: webAddress.default('https://huggingface.co').describe('hub that models come from'),
  HF_TOKEN: z.string().min(1).optional().describe('token for models that are not open to all'),
  GRISTMILL_PARENTS: list
    .default([])
    .describe('processes whose end ends the program; set by what starts it'),
  GRISTMILL_URL: webAddress.optional().describe('server that the command line talks to'),
  GRISTMILL_API_KEY: z.string().min(1).optional().describe('key that it proves itself with'),
})

/** Every variable with its default as written in the environment, and its meaning. */
export function configurationTable(): { name: string; default: string; meaning: string }[] {
  return Object.entries(schema.shape).map(([name, { def, description = '' }]) => {
    const value: unknown = 'defaultValue' in def ? def.defaultValue : undefined
    return { name, default: written(value), meaning: description }
  })
}

/** The variables that mean something, limits included. */
export const configurationNames = () =>
  new Set([...Object.keys(schema.shape), ...Object.values(limitTable).map(({ env }) => env)])

/**
 * Parses the configuration as a whole.
 * @throws GristmillError `invalid_config` naming every wrong variable
 */
export function readConfig(given: Environment = process.env): Config {
  const { config, wrong } = examineConfig(gather(given, configurationNames()))
  if (config !== undefined) return config
  throw new GristmillError('invalid_config', { reason: wrong.join('; ') })
}

/** @returns the configuration, or everything that is wrong with it */
export function examineConfig({ environment, ...gathered }: Gathered): {
  config: Config | undefined
  wrong: string[]
} {
  const parsed = schema.safeParse(withoutEmpty(environment, schema.shape))
  const limits = readLimits(environment)
  const wrong = [...gathered.wrong, ...limits.wrong]
  if (parsed.success) wrong.push(...contradictions(parsed.data))
  else wrong.push(...parsed.error.issues.map((i) => `${i.path.join('.')}: ${i.message}`))
  if (!parsed.success || wrong.length > 0) return { config: undefined, wrong }
  return { config: configOf(parsed.data, environment, limits.values), wrong }
}

function configOf(env: Parsed, environment: Environment, limits: Limits): Config {
  return {
    home: env.GRISTMILL_HOME ?? defaultHome(environment),
    host: env.GRISTMILL_HOST,
    port: env.GRISTMILL_PORT,
    publicUrl: env.GRISTMILL_PUBLIC_URL,
    databaseUrl: env.DATABASE_URL,
    clusterUrl: env.GRISTMILL_CLUSTER_URL,
    testDatabaseUrl: env.GRISTMILL_TEST_DATABASE_URL,
    contentKey: env.GRISTMILL_CONTENT_KEY,
    secretKey: env.GRISTMILL_SECRET_KEY,
    secretKeyBefore: env.GRISTMILL_SECRET_KEY_BEFORE,
    oidc: oidcOf(env),
    passwordLogin: env.GRISTMILL_PASSWORD_LOGIN,
    auditSyslog: syslogOf(env.GRISTMILL_AUDIT_SYSLOG),
    offline: env.GRISTMILL_OFFLINE,
    logLevel: env.GRISTMILL_LOG_LEVEL,
    model: env.GRISTMILL_MODEL,
    embeddingModel: env.GRISTMILL_EMBEDDING_MODEL,
    engine: env.GRISTMILL_ENGINE,
    engineGpu: env.GRISTMILL_ENGINE_GPU,
    engineCap: env.GRISTMILL_ENGINE_CAP,
    engineThreads: env.GRISTMILL_ENGINE_THREADS,
    engineContext: env.GRISTMILL_ENGINE_CONTEXT,
    currency: env.GRISTMILL_CURRENCY,
    statementIssuer: env.GRISTMILL_STATEMENT_ISSUER,
    mail: mailOf(env),
    endUserHeader: env.GRISTMILL_END_USER_HEADER,
    revokeEndsStreams: env.GRISTMILL_REVOKE_ENDS_STREAMS,
    schedulerOrder: env.GRISTMILL_SCHEDULER_ORDER,
    trustedProxies: env.GRISTMILL_TRUSTED_PROXIES,
    webhookTargets: env.GRISTMILL_WEBHOOK_TARGETS,
    traces: tracesOf(env),
    hubUrl: env.HF_ENDPOINT,
    hubToken: env.HF_TOKEN,
    parents: env.GRISTMILL_PARENTS.map(Number),
    clientUrl: env.GRISTMILL_URL,
    clientApiKey: env.GRISTMILL_API_KEY,
    limits,
  }
}

function isSafeAddress(address: string): boolean {
  const { protocol, hostname } = new URL(address)
  const isHere = ['localhost', '127.0.0.1', '[::1]'].includes(hostname)
  return protocol === 'https:' || (protocol === 'http:' && isHere)
}

type Parsed = z.infer<typeof schema>

function syslogOf(address: string | undefined): SyslogConfig | undefined {
  if (address === undefined) return undefined
  const { protocol, hostname, port } = new URL(address)
  const host = hostname.replace(/^\[|\]$/g, '')
  return { protocol: protocol === 'udp:' ? 'udp' : 'tcp', host, port: Number(port) }
}

function oidcOf(env: Parsed): OidcConfig | undefined {
  const { GRISTMILL_OIDC_ISSUER: issuer, GRISTMILL_OIDC_CLIENT_ID: clientId } = env
  if (issuer === undefined || clientId === undefined) return undefined
  return {
    issuer,
    name: env.GRISTMILL_OIDC_NAME,
    clientId,
    clientSecret: env.GRISTMILL_OIDC_CLIENT_SECRET,
    scopes: env.GRISTMILL_OIDC_SCOPES,
    groupsClaim: env.GRISTMILL_OIDC_GROUPS_CLAIM,
    audiences: env.GRISTMILL_OIDC_AUDIENCES,
  }
}

function tracesOf(env: Parsed): TracesConfig | undefined {
  const { OTEL_EXPORTER_OTLP_ENDPOINT: endpoint, OTEL_EXPORTER_OTLP_HEADERS: text = '' } = env
  if (endpoint === undefined) return undefined
  const pairs = text.split(',').filter(Boolean)
  const headers = pairs.map((pair) => {
    const at = pair.indexOf('=')
    return [pair.slice(0, at).trim(), decodeURIComponent(pair.slice(at + 1).trim())] as const
  })
  return {
    url: `${endpoint.replace(/\/$/, '')}/v1/traces`,
    headers: Object.fromEntries(headers),
    share: env.OTEL_TRACES_SAMPLER_ARG,
  }
}

/** What is wrong between values each of which is right. */
function contradictions(env: Parsed): string[] {
  const wrong: string[] = []
  const { GRISTMILL_OIDC_ISSUER: issuer, GRISTMILL_OIDC_CLIENT_ID: clientId } = env
  if ((issuer === undefined) !== (clientId === undefined)) {
    wrong.push('GRISTMILL_OIDC_ISSUER: it needs GRISTMILL_OIDC_CLIENT_ID, and that needs it')
  }
  if (!env.GRISTMILL_PASSWORD_LOGIN && issuer === undefined) {
    wrong.push('GRISTMILL_PASSWORD_LOGIN: without passwords GRISTMILL_OIDC_ISSUER is needed')
  }
  if (env.GRISTMILL_OIDC_AUDIENCES.length > 0 && issuer === undefined) {
    wrong.push('GRISTMILL_OIDC_AUDIENCES: it needs GRISTMILL_OIDC_ISSUER')
  }
  wrong.push(...mailContradictions(env))
  if (env.GRISTMILL_CLUSTER_URL !== undefined) wrong.push(...unshared(env))
  return wrong
}

/** What gateways that share a database would not agree about. */
function unshared(env: Parsed): string[] {
  const shared = ['DATABASE_URL', 'GRISTMILL_SECRET_KEY', 'GRISTMILL_CONTENT_KEY'] as const
  const missing = shared.filter((name) => env[name] === undefined)
  const wrong = missing.map((name) => `${name}: all gateways need the same one`)
  if (env.GRISTMILL_ENGINE !== 'none') {
    wrong.push('GRISTMILL_ENGINE: gateways that share a database embed no engine, so it is none')
  }
  if (env.GRISTMILL_EMBEDDING_MODEL !== undefined) {
    wrong.push('GRISTMILL_EMBEDDING_MODEL: gateways that share a database embed no engine')
  }
  return wrong
}

/** A default as it would stand in the environment. */
function written(value: unknown): string {
  if (typeof value === 'boolean') return value ? '1' : '0'
  return typeof value === 'string' || typeof value === 'number' ? `${value}` : ''
}

/** As root PostgreSQL runs as its own user, which cannot search `/root`; hence `/var/lib`. */
function defaultHome(environment: Environment): string {
  if (process.platform === 'win32') {
    return join(environment.LOCALAPPDATA ?? join(homedir(), 'AppData', 'Local'), 'Gristmill')
  }
  if (userInfo().uid === 0) return '/var/lib/gristmill'
  if (process.platform === 'darwin')
    return join(homedir(), 'Library', 'Application Support', 'Gristmill')
  return join(environment.XDG_DATA_HOME ?? join(homedir(), '.local', 'share'), 'gristmill')
}

/** The environment for a child process: ours, plus or minus what is named. */
export function childEnvironment(changes: Environment = {}): NodeJS.ProcessEnv {
  const environment: NodeJS.ProcessEnv = { ...process.env, ...changes }
  for (const [name, value] of Object.entries(changes))
    if (value === undefined) delete environment[name]
  return environment
}
