/** Moving in from LiteLLM, with tables like its own: its keys work, and no move is done twice. */
import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, it } from 'node:test'
import { readConfig } from '../src/base/index.ts'
import { cli } from '../src/cli/test-cli.ts'
import { startTestEngine, type TestEngine } from '../src/engine/index.ts'
import type { EngineView, KeyView, RouteSetView, TenantView } from '../src/http/contract.ts'
import { openTestDatabase, type TestDatabase } from '../src/store/index.ts'
import { ask, openAi } from './sdk-clients.ts'
import { removeHome, startServer, type TestServer } from './server.ts'

const TEAM_KEY = 'sk-of-the-team'
const LONE_KEY = 'sk-of-nobody'
const ENGINE_KEY = 'sk-of-the-engine'
let server: TestServer
let database: TestDatabase
let other: TestEngine

before(async () => {
  ;[server, database, other] = await Promise.all([
    startServer(),
    openTestDatabase({ connections: 1 }),
    startTestEngine(),
  ])
  await makeTables(database)
})
after(async () => {
  await server.stop()
  await Promise.all([database.close(), other.close()])
  removeHome(server.home)
})

const sha256 = (key: string) => createHash('sha256').update(key).digest('hex')

/** Of LiteLLM's tables, the columns that are read. */
async function makeTables({ sql }: TestDatabase): Promise<void> {
  await sql`
    create table "LiteLLM_TeamTable" (team_id text primary key, team_alias text, models text[],
      max_parallel_requests integer, tpm_limit bigint, rpm_limit bigint, max_budget float8,
      blocked boolean not null default false)`
  await sql`
    create table "LiteLLM_VerificationToken" (token text primary key, key_alias text,
      key_name text, team_id text, models text[], expires timestamp(3), blocked boolean,
      max_parallel_requests integer, tpm_limit bigint, rpm_limit bigint, budget_id text)`
  await sql`create table "LiteLLM_UserTable" (user_id text primary key)`
  await sql`insert into "LiteLLM_UserTable" values ('anna')`
  await sql`
    insert into "LiteLLM_TeamTable" (team_id, team_alias, models, tpm_limit, max_budget)
    values ('t-1', 'Support', '{their-chat}', 100000, 20)`
  await sql`
    insert into "LiteLLM_VerificationToken" (token, key_alias, team_id, models, expires,
      max_parallel_requests)
    values (${sha256(TEAM_KEY)}, 'bot', 't-1', '{}', '2099-01-01 06:00', 3),
      (${sha256(LONE_KEY)}, null, null, '{}', null, null)`
}

/** Written as LiteLLM takes it. */
async function databaseUrl(): Promise<string> {
  const url = new URL(database.server?.url ?? readConfig().testDatabaseUrl ?? '')
  const [row] = await database.sql<{ name: string }[]>`select current_database() as name`
  url.pathname = `/${row?.name}`
  url.search = 'schema=public&connection_limit=5'
  return url.href
}

async function move(engineUrl: string, ...flags: string[]) {
  const config = join(server.home, 'litellm.yaml')
  writeFileSync(
    config,
    `model_list:
  - model_name: their-chat
    litellm_params: { model: hosted_vllm/toy, api_base: "${engineUrl}/v1" }
  - model_name: their-mill
    litellm_params:
      { model: mistral/mill, api_base: "${other.url}/v1", api_key: os.environ/MILL_KEY }
  - model_name: their-mill
    litellm_params: { model: mistral/mill, api_base: "${other.url}/v1", api_key: sk-of-its-second }
router_settings:
  model_group_alias: { gpt-4: their-chat }
litellm_settings:
  fallbacks: [{ their-chat: [their-mill] }]
  callbacks: [langfuse]
`,
  )
  const words = ['import', 'litellm', '--config', config, '--database-url', await databaseUrl()]
  const environment = { GRISTMILL_HOME: server.home, MILL_KEY: ENGINE_KEY }
  const outcome = await cli([...words, ...flags], environment)
  assert.doesNotMatch(outcome.out + outcome.err, /sk-of-/)
  return outcome
}

const state = async () => ({
  engines: (await server.api<{ rows: EngineView[] }>('GET', '/api/engines')).rows.length,
  tenants: (await server.api<{ rows: TenantView[] }>('GET', '/api/tenants')).rows,
  keys: (await server.api<{ rows: KeyView[] }>('GET', '/api/keys')).rows.length,
  version: (await server.api<RouteSetView>('GET', '/api/routes')).version,
})

it("LiteLLM's keys and model names work after a move, and a second one changes nothing", async () => {
  const mine = { name: 'mine', targets: [{ model: 'toy' }] }
  await server.api('PUT', '/api/routes', { routes: [mine] })
  const page = await server.api<{ rows: EngineView[] }>('GET', '/api/engines')
  const toy = page.rows[0]?.url ?? assert.fail('no engine')
  const before = await state()

  const dry = await move(toy, '--dry-run')
  assert.equal(dry.code, 0, dry.err)
  assert.match(dry.out, /route their-chat, also gpt-4: toy, mill on Mistral \(2\)/)
  assert.match(dry.out, /litellm_settings\.callbacks: nothing is called/)
  assert.match(dry.out, /LiteLLM_UserTable: 1 rows: people are invited/)
  assert.match(dry.out, /team Support: max_budget 20: money/)
  assert.match(dry.out, /Nothing was changed\.\n$/)
  assert.deepEqual(await state(), before)

  const moved = await move(toy)
  assert.equal(moved.code, 0, moved.err)
  assert.match(
    moved.out,
    /New here: engines: 1, keys of services: 1, tenants: 2, keys: 2, routes: 2\./,
  )
  const { routes } = await server.api<RouteSetView>('GET', '/api/routes')
  assert.deepEqual(
    routes.map(({ name }) => name),
    ['mine', 'their-chat', 'their-mill'],
  )
  const client = openAi(server, TEAM_KEY)
  for (const model of ['their-chat', 'gpt-4']) {
    const { data, response } = await client.chat.completions
      .create(ask({ model, max_tokens: 3 }))
      .withResponse()
    assert.equal(data.usage?.completion_tokens, 3)
    assert.match(response.headers.get('x-gristmill-target') ?? '', /toy/)
  }
  const mill = openAi(server, LONE_KEY).chat.completions.create(ask({ model: 'their-mill' }))
  assert.equal((await mill).choices[0]?.message.content, 'Hello world')
  const used = other.seen.at(-1)?.request.headers.authorization ?? ''
  assert.ok([`Bearer ${ENGINE_KEY}`, 'Bearer sk-of-its-second'].includes(used))
  await assert.rejects(client.chat.completions.create(ask({ model: 'their-mill' })), /not/)
  const keys = await server.api<{ rows: KeyView[] }>('GET', '/api/keys')
  const bot = keys.rows.find(({ name }) => name === 'bot')
  assert.equal(bot?.expiresAt, '2099-01-01T06:00:00.000Z')
  assert.equal(bot.limits.concurrencyMax, 3)

  const after = await state()
  const again = await move(toy, '--json')
  assert.equal(again.code, 0, again.err)
  const none = { engines: 0, engineKeys: 0, tenants: 0, keys: 0, routes: 0 }
  assert.deepEqual(JSON.parse(again.out).moved, none)
  assert.ok(!again.out.includes(sha256(TEAM_KEY)))
  assert.deepEqual(await state(), after)
})

it('a move that lacks something changes nothing and says what to do', async () => {
  const before = await state()
  const { sql } = database
  await sql`create table "LiteLLM_ProxyModelTable" (model_id text, model_name text)`
  await sql`insert into "LiteLLM_ProxyModelTable" values ('m', 'clicked')`
  const { code, out } = await move('http://127.0.0.1:9')
  assert.equal(code, 1)
  assert.match(out, /LiteLLM_ProxyModelTable \(clicked\): it is encrypted there: write it/)
  assert.match(out, /What is missing; nothing was changed:/)
  assert.deepEqual(await state(), before)
})
