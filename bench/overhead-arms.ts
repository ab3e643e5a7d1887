/**
 * What `bench overhead` compares: a bare proxy, nginx where it is installed, the gateway of another
 * commit where one is named, and the gateway, each in front of the same engine.
 */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { seededRandom } from '../src/base/index.ts'
import { checkOutBase } from './base-worktree.ts'
import { startProgram } from './harness.ts'
import { closedLoop, type Target } from './load.ts'
import { startNginx } from './nginx-proxy.ts'
import { inspectorUrlIn } from './overhead-memory.ts'
import { populate } from './population.ts'
import { type Server, startServer } from './server.ts'

export const STREAMS_AT_ONCE = 32
export const SHORT = 64
export const LONG = 256
const CONNECTIONS = 16
const AT_ONCE = 50

export interface Arm {
  target: Target
  pid: number
}

export interface Arms {
  bare: Arm
  gristmill: Arm
  /** The gateway of another commit. */
  base?: Arm
  /** Where it is installed. */
  nginx?: Arm
}

/** Further processes of the gateways: two of one commit can differ by a tenth all their lives. */
export interface Fellows {
  gristmill: Arm[]
  base: Arm[]
}

export interface ArmsOptions {
  /** Of each gateway. */
  processes: number
  tenants: number
  keys: number
  seed: number
  isInspected: boolean
  profile?: string | undefined
  base?: string | undefined
  /** A price and hard budgets, at the gateway of this commit alone. */
  charged?: boolean
}

/**
 * Starts all of them and warms them up; they end with the stack.
 * @throws Error where `base` cannot be checked out
 */
export async function startArms(stack: AsyncDisposableStack, options: ArmsOptions) {
  const mock = await startProgram<{ url: string }>('mock-engine.ts')
  stack.defer(mock.stop)
  const bare = await startProgram<{ url: string }>('bare-proxy.ts', [mock.ready.url])
  stack.defer(bare.stop)
  const tree = options.base === undefined ? undefined : checkOutBase(options.base)
  if (tree) stack.defer(tree.remove)
  const ofBase = tree && { ...options, charged: false, repository: tree.path }
  const startBase = async () => ofBase && (await startGateway(stack, mock.ready.url, ofBase))
  const gateway = await startGateway(stack, mock.ready.url, options)
  const base = await startBase()
  const fellows: Fellows = { gristmill: [], base: [] }
  for (let i = 1; i < options.processes; i++) {
    // Whoever starts first can be dearer by a quarter for all its life, so they take turns.
    const first = i % 2 === 1 ? await startBase() : undefined
    fellows.gristmill.push((await startGateway(stack, mock.ready.url, options)).arm)
    const fellow = first ?? (await startBase())
    if (fellow) fellows.base.push(fellow.arm)
  }
  const nginx = await startNginx(mock.ready.url)
  if (nginx) stack.defer(nginx.stop)
  const arms: Arms = {
    ...(nginx && { nginx: { target: chatTarget(nginx.url, gateway.key), pid: nginx.pid } }),
    bare: { target: chatTarget(bare.ready.url, gateway.key), pid: bare.pid },
    ...(base && { base: base.arm }),
    gristmill: gateway.arm,
  }
  await closedLoop(arms.bare.target, { connections: CONNECTIONS, count: 5000 })
  const all = [...(Object.values(arms) as Arm[]), ...fellows.gristmill, ...fellows.base]
  for (const { target } of all) {
    await closedLoop(streamTarget(target, SHORT), { connections: STREAMS_AT_ONCE, count: 64 })
  }
  const { inspectorUrl, key, admin } = gateway
  const parts = () => openParts(admin, gateway.arm.target.url, key)
  return { arms, fellows, parts, inspectorUrl, baseCommit: tree?.commit }
}

/** A gateway with many tenants and keys, each of which is used once. */
async function startGateway(
  stack: AsyncDisposableStack,
  engineUrl: string,
  options: ArmsOptions & { repository?: string },
) {
  const { tenants, keys, seed, isInspected, profile, repository } = options
  let inspectorUrl: string | undefined
  const server = await startServer({
    engine: 'none',
    ...(repository !== undefined && { repository }),
    environment: { NODE_OPTIONS: nodeOptions(profile, isInspected) },
    log: (said) => {
      inspectorUrl ??= inspectorUrlIn(said)
    },
  })
  stack.defer(server.stop)
  const secrets = await populate(databaseUrlOf(server), tenants, keys)
  await server.admin.post('/api/engines', { url: engineUrl, name: 'mock' })
  if (options.charged) await charge(server, tenants)
  await warmUp(server, secrets)
  const random = seededRandom(seed)
  const key = () => secrets[Math.floor(random.next() * secrets.length)] ?? ''
  const arm: Arm = { target: chatTarget(server.url, key), pid: server.pid }
  return { arm, key, admin: server.admin, inspectorUrl: () => inspectorUrl }
}

/** A price for the mock's model, and a hard budget of money for every tenant. */
async function charge({ admin }: Server, tenants: number): Promise<void> {
  await admin.post('/api/prices', { prices: [{ model: 'mock', input: '1', output: '2' }] })
  const limits = { unit: 'money', period: 'month', limit: '1000000', isHard: true }
  const budget = (i: number) =>
    admin.post('/api/budgets', { tenantId: `ten_bench${i}`, name: 'month', ...limits })
  for (let from = 0; from < tenants; from += AT_ONCE) {
    const count = Math.min(AT_ONCE, tenants - from)
    await Promise.all(Array.from({ length: count }, (_, i) => budget(from + i)))
  }
}

/** So that none is looked up in the measured part, and code gets hot. */
async function warmUp({ url }: Server, secrets: readonly string[]): Promise<void> {
  let next = 0
  const each = chatTarget(url, () => secrets[next++ % secrets.length] ?? '')
  await closedLoop(each, { connections: CONNECTIONS, count: secrets.length })
}

function nodeOptions(profile: string | undefined, isInspected: boolean): string {
  const options = []
  if (profile !== undefined) options.push('--cpu-prof', `--cpu-prof-dir=${profile}`)
  if (isInspected) options.push('--inspect-port=0')
  return options.join(' ')
}

function databaseUrlOf({ home }: Server): string {
  const text = readFileSync(join(home, 'server.json'), 'utf8')
  return (JSON.parse(text) as { databaseUrl: string }).databaseUrl
}

/** The same gateway in other ways; streams by their length in chunks. */
export interface PartTargets {
  direct: Target
  routed: Target
  /** Past a guard of one pattern on the way in and of one on the way out. */
  guarded: Target
  guardedChat(length: number): Target
  chat(length: number): Target
  messages(length: number): Target
  responses(length: number): Target
}

/** Gives the model a route as well, with a condition and a default. */
async function openParts(
  admin: Server['admin'],
  url: string,
  key: () => string,
): Promise<PartTargets> {
  const targets = [{ model: 'mock', when: { classes: ['batch'] } }, { model: 'mock' }]
  const routes = [{ name: 'routed', targets, defaults: { temperature: 0.2 } }]
  const pattern = { kind: 'pattern', patterns: ['sk-[A-Za-z0-9]{20,}'], routes: ['guarded'] }
  const guards = [
    { ...pattern, name: 'in', when: 'before' },
    { ...pattern, name: 'out', when: 'after', action: 'redact' },
  ]
  await admin.put('/api/routes', {
    routes: [...routes, { name: 'guarded', targets: [{ model: 'mock' }] }],
    guards,
  })
  const stream = (fields: (text: string) => Fields) => targetFrom(url, key, fields)
  return {
    direct: chatTarget(url, key),
    routed: targetFrom(url, key, (text) => chatFields(text, 'routed')),
    guarded: targetFrom(url, key, (text) => chatFields(text, 'guarded')),
    guardedChat: (length) => stream((text) => chatFields(text, 'guarded', length)),
    chat: (length) => stream((text) => chatFields(text, 'mock', length)),
    messages: (length) =>
      stream((text) => ({
        path: '/v1/messages',
        body: { model: 'mock', max_tokens: length, stream: true, messages: asked(text) },
      })),
    responses: (length) =>
      stream((text) => ({
        path: '/v1/responses',
        body: { model: 'mock', max_output_tokens: length, stream: true, input: text },
      })),
  }
}

interface Fields {
  path: string
  body: object
}

const asked = (content: string) => [{ role: 'user', content }]

function chatFields(text: string, model: string, stream?: number): Fields {
  const streamed = { stream: true, stream_options: { include_usage: true } }
  const body = {
    model,
    max_tokens: stream ?? 150,
    ...(stream !== undefined && streamed),
    messages: asked(text),
  }
  return { path: '/v1/chat/completions', body }
}

/** Chat requests of 1 kB to the mock engine; streams of so many chunks where a number is given. */
export const chatTarget = (url: string, key: () => string, stream?: number): Target =>
  targetFrom(url, key, (text) => chatFields(text, 'mock', stream))

/** Requests of 1 kB. */
function targetFrom(url: string, key: () => string, fields: (text: string) => Fields): Target {
  const { path } = fields('')
  const length = JSON.stringify(fields('').body).length
  const body = Buffer.from(JSON.stringify(fields('y'.repeat(1024 - length)).body))
  return {
    url,
    next: () => ({
      path,
      headers: ['content-type', 'application/json', 'authorization', `Bearer ${key()}`],
      body,
    }),
  }
}

export const streamTarget = ({ url, next }: Target, length: number): Target =>
  chatTarget(url, () => String(next().headers[3]).slice('Bearer '.length), length)
