/**
 * The packed program: packed from what the image is built from, installed globally by ordinary npm
 * into an empty folder with an empty home, and run as the image runs it.
 */
import assert from 'node:assert/strict'
import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import {
  chmodSync,
  chownSync,
  cpSync,
  existsSync,
  globSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  symlinkSync,
} from 'node:fs'
import { homedir, tmpdir } from 'node:os'
import { basename, delimiter, join, matchesGlob, relative } from 'node:path'
import { createInterface } from 'node:readline'
import { after, before, describe, it } from 'node:test'
import { fileURLToPath } from 'node:url'
import { childEnvironment } from '../src/base/index.ts'
import { unsearchableFolder } from '../src/store/system-user.ts'
import { chatBody, newHome, processesOf, readStream, removeHome, startServer } from './server.ts'

const MEGABYTES_MAX = 400
const NPM_MS_MAX = 270_000
const root = fileURLToPath(new URL('..', import.meta.url))
const offline = process.env.GRISTMILL_OFFLINE === '1'
const skip = offline && 'GRISTMILL_OFFLINE is set, and npm has to fetch packages'

const folder = mkdtempSync(join(tmpdir(), 'gristmill-packed-'))
const checkout = join(folder, 'checkout')
const prefix = join(folder, 'prefix')
const gristmill = join(prefix, 'bin', 'gristmill')
const installed = join(prefix, 'lib', 'node_modules', 'gristmill')

describe('the packed program', { skip }, () => {
  let packed: { filename: string; files: { path: string }[] }
  before(() => {
    // PostgreSQL may run as another user, who has to reach its programs.
    chmodSync(folder, 0o755)
    mkdirSync(join(folder, 'home'))
    copyForImage()
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
    assert.ok(!existsSync(join(checkout, 'dist')), 'a checkout keeps running its sources')
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
    const userId = idOfNobody()
    if (userId !== undefined) chownSync(home, userId, userId)
    const server = await startServer({ home, command: [gristmill], env, cwd: folder, userId })
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

/** What the build of the image is given, as `deploy/Dockerfile.dockerignore` says. */
function copyForImage(): void {
  const lines = readFileSync(join(root, 'deploy', 'Dockerfile.dockerignore'), 'utf8').split('\n')
  const rules = lines.filter((line) => line !== '' && !line.startsWith('#'))
  const wanted = rules.filter((rule) => rule.startsWith('!')).map((rule) => rule.slice(1))
  const unwanted = rules.filter((rule) => rule !== '*' && !rule.startsWith('!'))
  const isGiven = (path: string) =>
    path === '' ||
    (wanted.some((one) => path === one || path.startsWith(`${one}/`)) &&
      !unwanted.some((one) => path === one || matchesGlob(path, one)))
  cpSync(root, checkout, { recursive: true, filter: (path) => isGiven(relative(root, path)) })
  // The console was built from the same sources; were they others, it would be built again.
  cpSync(join(root, 'console', 'dist'), join(checkout, 'console', 'dist'), { recursive: true })
  // What the build installs first is here already.
  symlinkSync(join(root, 'node_modules'), join(checkout, 'node_modules'))
}

/** A user without rights, as the image's, where we may become one and it can reach Node.js. */
function idOfNobody(): number | undefined {
  const { stdout, status } = spawnSync('id', ['-u', 'nobody'], { encoding: 'utf8' })
  if (process.getuid?.() !== 0 || status !== 0) return undefined
  const uid = Number(stdout)
  const places = (environment().PATH ?? '').split(delimiter)
  const node = places.find((place) => existsSync(join(place, 'node')))
  const user = { name: 'nobody', uid, gid: uid }
  const isHidden = node === undefined || unsearchableFolder(node, user) !== undefined
  return isHidden ? undefined : uid
}

/** The engine as a program of its own, ended by SIGTERM. */
async function servesAlone(model: string, env: NodeJS.ProcessEnv): Promise<void> {
  const words = ['engine', '--model', model, '--cap', '1', '--threads', '1', '--sweep-ms', '0']
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
 * Runs npm in the copied checkout and returns what it printed; registry and cache are this user's.
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
  const how = { cwd: checkout, env, encoding: 'utf8', timeout: NPM_MS_MAX } as const
  const done = spawnSync('npm', [...args, ...quiet, ...patience], how)
  assert.equal(done.status, 0, `npm ${args.join(' ')}:\n${done.stdout}${done.stderr}`)
  return done.stdout
}

function bytesIn(folder: string): number {
  return globSync('**/*', { cwd: folder })
    .map((path) => lstatSync(join(folder, path)))
    .reduce((sum, stat) => sum + (stat.isFile() ? stat.blocks * 512 : 0), 0)
}
