/**
 * The packed program, installed globally by ordinary npm into an empty folder with an empty home.
 */
import assert from 'node:assert/strict'
import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import {
  chmodSync,
  existsSync,
  globSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
} from 'node:fs'
import { homedir, tmpdir } from 'node:os'
import { basename, delimiter, join } from 'node:path'
import { createInterface } from 'node:readline'
import { after, before, describe, it } from 'node:test'
import { fileURLToPath } from 'node:url'
import { childEnvironment } from '../src/base/index.ts'
import { chatBody, newHome, processesOf, readStream, removeHome, startServer } from './server.ts'

const MEGABYTES_MAX = 400
const NPM_MS_MAX = 180_000
const root = fileURLToPath(new URL('..', import.meta.url))
const offline = process.env.GRISTMILL_OFFLINE === '1'
const skip = offline && 'GRISTMILL_OFFLINE is set, and npm has to fetch packages'

const folder = mkdtempSync(join(tmpdir(), 'gristmill-packed-'))
const prefix = join(folder, 'prefix')
const gristmill = join(prefix, 'bin', 'gristmill')
const installed = join(prefix, 'lib', 'node_modules', 'gristmill')

describe('the packed program', { skip }, () => {
  let packed: { filename: string; files: { path: string }[] }
  before(() => {
    // PostgreSQL may run as another user, who has to reach its programs.
    chmodSync(folder, 0o755)
    mkdirSync(join(folder, 'home'))
    packed = JSON.parse(npm('pack', '--json', `--pack-destination=${folder}`))[0]
    npm('install', '--global', `--prefix=${prefix}`, join(folder, packed.filename))
  })
  after(() => removeHome(folder))

  it('holds what runs and no source or test', () => {
    const paths = packed.files.map(({ path }) => path)
    for (const path of [
      'bin/gristmill.mjs',
      'console/dist/index.html',
      'dist/cli/program.js',
      'dist/host/watcher-process.mjs',
      'dist/store/migrations/0001_gateway_lease.sql',
      'dist/node_modules/node-llama-cpp/LICENSE',
      'LICENSE',
    ]) {
      assert.ok(paths.includes(path), path)
    }
    const foreign = paths.filter((path) =>
      /^(src|test|bench|scripts)\/|\.test\.|^dist\/.*\.ts$/.test(path),
    )
    assert.deepEqual(foreign, [])
    assert.ok(!existsSync(join(root, 'dist')), 'a checkout keeps running its sources')
  })

  it('takes little space: no engine for graphics cards, and nothing that only builds it', () => {
    const folders = globSync('**/node_modules/{*,@*/*}', { cwd: installed }).map((path) =>
      basename(path),
    )
    assert.deepEqual(
      folders.filter((name) => /cuda|vulkan/.test(name)),
      [],
    )
    for (const name of ['vite', 'typescript', 'react', 'openai', 'playwright-core']) {
      assert.ok(!folders.includes(name), name)
    }
    const megabytes = bytesIn(prefix) / 1024 / 1024
    assert.ok(megabytes <= MEGABYTES_MAX, `${megabytes.toFixed(0)} MB`)
  })

  it('tells its version', () => {
    const { version } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'))
    const { stdout, stderr, status } = spawnSync(gristmill, ['--version'], {
      env: environment(),
      encoding: 'utf8',
    })
    assert.deepEqual({ stdout, stderr, status }, { stdout: `${version}\n`, stderr: '', status: 0 })
  })

  it('serves a chat and the console, and an engine of its own, and stops', async () => {
    const home = newHome()
    const clean = environment()
    const env = { ...clean, GRISTMILL_PARENTS: undefined }
    const server = await startServer({ home, command: [gristmill], env, cwd: folder })
    try {
      const end = await readStream(await server.v1('/chat/completions', chatBody(20)))
      assert.equal(end.finishReason, 'length')
      const page = await fetch(server.url)
      assert.equal(page.status, 200)
      assert.match(await page.text(), /<div id=/)
      await servesAlone(join(home, 'cache', 'toy.gguf'), env)
    } finally {
      const { code } = await server.stop()
      assert.equal(code, 0)
      assert.deepEqual(processesOf(home), [])
      removeHome(home)
    }
  })
})

/** The engine as a program of its own, ended by SIGTERM. */
async function servesAlone(model: string, env: NodeJS.ProcessEnv): Promise<void> {
  const words = ['engine', '--model', model, '--cap', '1', '--threads', '1']
  const engine = spawn(gristmill, words, { env: childEnvironment(env), stdio: 'pipe' })
  const [line] = (await once(createInterface({ input: engine.stdout }), 'line')) as [string]
  const { url } = JSON.parse(line) as { url: string }
  assert.equal((await fetch(`${url}/health`)).status, 200)
  engine.kill('SIGTERM')
  assert.deepEqual(await once(engine, 'exit'), [0, null])
}

/** What npm and the test runner tell their children. */
const FOREIGN = /^(npm_|GRISTMILL_|NODE_OPTIONS|NODE_TEST|NODE_V8|INIT_CWD)/

/** As a new user of this machine has it: the system's Node.js, and no setting of ours or npm's. */
function environment(): NodeJS.ProcessEnv {
  const { PATH = '', ...rest } = childEnvironment()
  const kept = Object.entries(rest).filter(([name]) => !FOREIGN.test(name))
  const folders = PATH.split(delimiter).filter((path) => !path.includes('node_modules'))
  return { ...Object.fromEntries(kept), HOME: join(folder, 'home'), PATH: folders.join(delimiter) }
}

/**
 * Runs npm in the checkout and returns what it printed; with the registry and cache of this user.
 */
function npm(...args: string[]): string {
  const given = process.env
  const env = {
    ...environment(),
    npm_config_userconfig: given.npm_config_userconfig ?? join(homedir(), '.npmrc'),
    npm_config_cache: given.npm_config_cache ?? join(homedir(), '.npm'),
    npm_config_update_notifier: 'false',
  }
  const quiet = ['--no-audit', '--no-fund', '--prefer-offline', '--loglevel=error']
  const patience = ['--fetch-retries=1', '--fetch-timeout=60000']
  const how = { cwd: root, env, encoding: 'utf8', timeout: NPM_MS_MAX } as const
  const done = spawnSync('npm', [...args, ...quiet, ...patience], how)
  assert.equal(done.status, 0, `npm ${args.join(' ')}:\n${done.stdout}${done.stderr}`)
  return done.stdout
}

function bytesIn(folder: string): number {
  return globSync('**/*', { cwd: folder })
    .map((path) => lstatSync(join(folder, path)))
    .reduce((sum, stat) => sum + (stat.isFile() ? stat.blocks * 512 : 0), 0)
}
