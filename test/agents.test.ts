/**
 * Agent programs of others, headless, through the doors they speak to a scripted engine. They run
 * where `GRISTMILL_TEST_AGENTS` names a folder in which they are installed, and are skipped where
 * it does not; Open WebUI also where there is none in it:
 * `npm install @anthropic-ai/claude-code @openai/codex @continuedev/cli opencode-ai`,
 * `python3 -m venv venv && venv/bin/pip install open-webui`.
 */

import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { childEnvironment } from '../src/base/index.ts'
import { eventually } from '../src/base/test-eventually.ts'
import {
  beginStream,
  chatFrames,
  gristmillModels,
  type SeenRequest,
  startTestEngine,
  type TestEngine,
} from '../src/engine/index.ts'
import { freePort } from '../src/host/index.ts'
import type { RequestView } from '../src/http/contract.ts'
import { removeHome, startServer, type TestServer } from './server.ts'

const dir = process.env.GRISTMILL_TEST_AGENTS ?? ''
const skip = dir === '' && 'GRISTMILL_TEST_AGENTS is not set'
const TASK = 'Create a file hello.txt that says hello.'
/** A name by which Codex knows that the model takes custom tools. */
const CODEX_MODEL = 'gpt-5.5'
const RUN_MS_MAX = 120_000

let server: TestServer
let engine: TestEngine
let nowhere: { url: string; close(): void }
let folder: string

/** A call of a tool: its name to the engine, and its arguments. */
type Call = [name: string, input: object]

/** Says what it will do, calls one tool after the other, and says that it is done. */
function play(one: SeenRequest, calls: readonly Call[]): void {
  const messages = one.body.messages as { role: string }[]
  const answered = messages.filter(({ role }) => role === 'tool').length
  const frames = chatFrames(one, ['It is', ' done.'])
  // Without tools it is a side question, such as one for a title.
  const call = one.body.tools === undefined ? undefined : calls[answered]
  if (call !== undefined) frames.splice(1, 3, ...callFrames(one, call))
  beginStream(one.response)
  for (const frame of frames) one.response.write(frame)
  one.response.end()
}

/** Some words, a call in three pieces, and the end. */
function callFrames({ body }: SeenRequest, [name, input]: Call): string[] {
  const json = JSON.stringify(input)
  const chunk = (delta: object, finish_reason: string | null = null) => {
    const choices = [{ index: 0, delta, finish_reason }]
    const head = { id: 'c1', object: 'chat.completion.chunk', created: 1, model: body.model }
    return `data: ${JSON.stringify({ ...head, choices })}\n\n`
  }
  const piece = (text: string) =>
    chunk({ tool_calls: [{ index: 0, function: { arguments: text } }] })
  const called = { name, arguments: '' }
  const id = `call_${name}`
  return [
    chunk({ content: 'I see to it.' }),
    chunk({ tool_calls: [{ index: 0, id, type: 'function', function: called }] }),
    piece(json.slice(0, 5)),
    piece(json.slice(5)),
    chunk({}, 'tool_calls'),
  ]
}

/** A proxy that lets nothing out. */
async function startNowhere(): Promise<typeof nowhere> {
  const refusing = createServer((_, response) => response.writeHead(403).end())
  refusing.on('connect', (_, socket) => {
    // Who is refused may go without a word.
    socket.on('error', () => socket.destroy())
    socket.end('HTTP/1.1 403 Forbidden\r\n\r\n')
  })
  await new Promise<void>((resolve) => refusing.listen(0, '127.0.0.1', resolve))
  const { port } = refusing.address() as AddressInfo
  return { url: `http://127.0.0.1:${port}`, close: () => refusing.close() }
}

/** Starts a program with this test's Node.js, in a folder of its own, without a way out. */
function start(program: string, args: string[], env: Record<string, string>) {
  const loopback = { HTTP_PROXY: nowhere.url, HTTPS_PROXY: nowhere.url, NO_PROXY: '127.0.0.1' }
  const path = `${dirname(process.execPath)}:${process.env.PATH}`
  return spawn(program, args, {
    cwd: folder,
    env: childEnvironment({ HOME: folder, PATH: path, ...loopback, ...env }),
    stdio: ['ignore', 'pipe', 'pipe'],
    timeout: RUN_MS_MAX,
  })
}

/** Runs a program of the folder to its end; what it printed. */
async function run(name: string, args: string[], env: Record<string, string>): Promise<string> {
  const child = start(join(dir, 'node_modules/.bin', name), args, env)
  let said = ''
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding('utf8').on('data', (text: string) => {
      said += text
    })
  }
  const code = await new Promise((resolve, reject) => {
    child.on('error', reject)
    child.on('close', resolve)
  })
  assert.equal(code, 0, said)
  return said
}

/** The file is there, the last words were heard, and no request of the program was refused. */
async function assertDone(said: string, door: string): Promise<void> {
  const file = join(folder, 'hello.txt')
  assert.ok(existsSync(file), said)
  assert.equal(readFileSync(file, 'utf8').trim(), 'hello', said)
  rmSync(file)
  assert.match(said, /It is done\./)
  const own = async () => {
    const { rows } = await server.api<{ rows: RequestView[] }>('GET', '/api/requests')
    return rows.filter(({ endpoint }) => endpoint === door)
  }
  await eventually('all is settled', async () => (await own()).every(({ group }) => group !== null))
  const ends = (await own()).map(({ end }) => end)
  assert.ok(ends.length >= 2)
  assert.deepEqual(new Set(ends), new Set(['done']))
}

describe('agent programs', { skip }, () => {
  before(async () => {
    nowhere = await startNowhere()
    engine = await startTestEngine()
    const models = ['mill', CODEX_MODEL].flatMap((name) => {
      const { data } = gristmillModels(name, 4, 1) as { data: object[] }
      return data.map((model) => ({ ...model, max_model_len: 200_000 }))
    })
    engine.pages.set('/v1/models', { object: 'list', data: models })
    server = await startServer({ model: null, args: ['--engine', 'none'] })
    await server.api('POST', '/api/engines', { url: engine.url, name: 'scripted' })
    await eventually('the engine is there', async () => {
      const { rows } = await server.api<{ rows: object[] }>('GET', '/api/models')
      return rows.length > 0
    })
    folder = mkdtempSync(join(tmpdir(), 'gristmill-agent-'))
  })
  after(async () => {
    await server.stop()
    removeHome(server.home)
    rmSync(folder, { recursive: true })
    await engine.close()
    nowhere.close()
  })

  it('Claude Code writes a file through Messages', async () => {
    const file_path = join(folder, 'hello.txt')
    const search: Call = ['ToolSearch', { query: 'select:NotebookEdit' }]
    engine.answer((one) => play(one, [search, ['Write', { file_path, content: 'hello\n' }]]))
    const said = await run('claude', ['-p', TASK, '--permission-mode', 'acceptEdits'], {
      ANTHROPIC_BASE_URL: server.url,
      ANTHROPIC_API_KEY: server.apiKey,
      ANTHROPIC_MODEL: 'mill',
      ANTHROPIC_DEFAULT_HAIKU_MODEL: 'mill',
      CLAUDE_CONFIG_DIR: join(folder, '.claude'),
      CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC: '1',
    })
    await assertDone(said, '/v1/messages')
  })

  async function codex(model: string, call: Call): Promise<void> {
    const provider = { name: 'Gristmill', base_url: `${server.url}/v1`, env_key: 'MILL_KEY' }
    const fields = Object.entries({ ...provider, wire_api: 'responses' })
    const table = fields.map(([name, value]) => `${name}=${JSON.stringify(value)}`).join(',')
    engine.answer((one) => play(one, [call]))
    const options = [`model="${model}"`, 'model_provider="mill"', `model_providers.mill={${table}}`]
    const flags = ['--skip-git-repo-check', '--dangerously-bypass-approvals-and-sandbox']
    const set = options.flatMap((option) => ['-c', option])
    const said = await run('codex', ['exec', ...flags, ...set, TASK], {
      CODEX_HOME: folder,
      MILL_KEY: server.apiKey,
    })
    await assertDone(said, '/v1/responses')
  }

  it('Codex writes a file through Responses, by a function', () =>
    codex('mill', ['exec_command', { cmd: 'echo hello > hello.txt' }]))

  it('and by a custom tool', () => {
    const lines = ['*** Begin Patch', '*** Add File: hello.txt', '+hello', '*** End Patch', '']
    return codex(CODEX_MODEL, ['apply_patch', { input: lines.join('\n') }])
  })

  it("Continue, an editor's assistant, writes a file through chat completions", async () => {
    const model = { name: 'mill', provider: 'openai', model: 'mill', roles: ['chat', 'edit'] }
    const own = { ...model, apiBase: `${server.url}/v1`, apiKey: server.apiKey }
    const config = { name: 'test', version: '1.0.0', schema: 'v1', models: [own] }
    // JSON is YAML.
    writeFileSync(join(folder, 'continue.yaml'), JSON.stringify(config))
    const filepath = join(folder, 'hello.txt')
    engine.answer((one) => play(one, [['Write', { filepath, content: 'hello\n' }]]))
    const said = await run('cn', ['-p', '--auto', '--config', 'continue.yaml', TASK], {
      CONTINUE_TELEMETRY_ENABLED: '0',
    })
    await assertDone(said, '/v1/chat/completions')
  })

  it('OpenCode writes a file, and asks for 32,000 tokens', async () => {
    const options = { baseURL: `${server.url}/v1`, apiKey: server.apiKey }
    const mill = {
      npm: '@ai-sdk/openai-compatible',
      name: 'Gristmill',
      options,
      models: { mill: { name: 'Mill' } },
    }
    const permission = { edit: 'allow', external_directory: 'allow' }
    const config = { provider: { mill }, model: 'mill/mill', autoupdate: false, permission }
    writeFileSync(join(folder, 'opencode.json'), JSON.stringify(config))
    const filePath = join(folder, 'hello.txt')
    engine.answer((one) => play(one, [['write', { filePath, content: 'hello\n' }]]))
    const said = await run('opencode', ['run', TASK], {
      OPENCODE_CONFIG: join(folder, 'opencode.json'),
    })
    await assertDone(said, '/v1/chat/completions')
  })

  const webUi = join(dir, 'venv/bin/open-webui')
  const skipWebUi = !existsSync(webUi) && `${webUi} is not there`
  it('Open WebUI lists the model and chats with it', { skip: skipWebUi }, async () => {
    const port = await freePort()
    const child = start(webUi, ['serve', '--host', '127.0.0.1', '--port', String(port)], {
      DATA_DIR: join(folder, 'webui'),
      USE_SLIM_DOCKER: 'true',
      VECTOR_DB: 'none',
      WEBUI_AUTH: 'False',
      WEBUI_SECRET_KEY: 'only for this test',
      OPENAI_API_BASE_URL: `${server.url}/v1`,
      OPENAI_API_KEY: server.apiKey,
      ENABLE_OLLAMA_API: 'False',
      OFFLINE_MODE: 'True',
    })
    const ended = new Promise((resolve) => child.on('close', resolve))
    child.stdout.resume()
    child.stderr.resume()
    try {
      const url = `http://127.0.0.1:${port}`
      const isUp = () =>
        fetch(`${url}/health`).then(
          ({ ok }) => ok,
          () => false,
        )
      await eventually('Open WebUI is up', isUp, RUN_MS_MAX)
      const headers: Record<string, string> = { 'content-type': 'application/json' }
      const ask = async (path: string, body?: object) => {
        const method = body === undefined ? 'GET' : 'POST'
        const sent = body === undefined ? {} : { body: JSON.stringify(body) }
        const answer = await fetch(url + path, { method, headers, ...sent })
        assert.equal(answer.status, 200, path)
        return answer.text()
      }
      const { token } = JSON.parse(await ask('/api/v1/auths/signin', { email: '', password: '' }))
      headers.authorization = `Bearer ${token}`
      const { data } = JSON.parse(await ask('/api/models')) as { data: { id: string }[] }
      assert.ok(data.some(({ id }) => id === 'mill'))
      engine.answer((one) => play(one, []))
      const messages = [{ role: 'user', content: TASK }]
      const told = await ask('/api/chat/completions', { model: 'mill', stream: true, messages })
      assert.match(told, /It is.+ done\..+data: \[DONE\]/s)
    } finally {
      child.kill('SIGTERM')
      await ended
    }
  })
})
