import assert from 'node:assert/strict'
import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { createInterface } from 'node:readline'
import { after, describe, it } from 'node:test'
import { fileURLToPath } from 'node:url'

const root = dirname(dirname(fileURLToPath(import.meta.url)))
const copies: string[] = []
after(() => {
  for (const copy of copies) rmSync(copy, { recursive: true })
})

const PROGRAM = `
  if (process.argv[2] === 'fail') process.exitCode = 7
  if (process.argv[2] === 'wait') {
    process.on('SIGTERM', () => process.exit(3))
    setInterval(() => {}, 1000)
  }
  console.log(JSON.stringify({ args: process.argv.slice(2), version: process.versions.node }))`

/** A clone with a small program in place of ours, and with our packages unless `bare`. */
function clone(options: { bare?: boolean } = {}): string {
  const copy = mkdtempSync(join(tmpdir(), 'gristmill-clone-'))
  copies.push(copy)
  for (const name of ['bin', 'scripts', 'package.json', 'package-lock.json'])
    cpSync(join(root, name), join(copy, name), { recursive: true })
  mkdirSync(join(copy, 'src', 'cli'), { recursive: true })
  writeFileSync(
    join(copy, 'src', 'cli', 'program.ts'),
    `${PROGRAM}\nexport type OnlyTypes = string\n`,
  )
  if (options.bare) return copy
  mkdirSync(join(copy, 'node_modules'))
  cpSync(
    join(root, 'node_modules', '.package-lock.json'),
    join(copy, 'node_modules', '.package-lock.json'),
  )
  const node = `node-${process.platform}-${process.arch}`
  symlinkSync(join(root, 'node_modules', node), join(copy, 'node_modules', node))
  return copy
}

/** npm that leaves a mark and fails. */
function fakeNpm(copy: string): string {
  const path = join(copy, 'npm.mjs')
  writeFileSync(path, `console.error('npm was asked: ' + process.argv.slice(2)); process.exit(1)`)
  return path
}

function bootstrap(copy: string, args: string[], environment: Record<string, string> = {}) {
  const env: NodeJS.ProcessEnv = { ...process.env, npm_execpath: fakeNpm(copy), ...environment }
  const script = join(copy, 'scripts', 'bootstrap.mjs')
  return spawnSync(process.execPath, [script, ...args], { env, encoding: 'utf8' })
}

describe('the bootstrap of a checkout', () => {
  it('hands over at once when everything is there, with arguments and exit code', () => {
    const copy = clone()
    const first = bootstrap(copy, ['chat', '--json', 'two words'])
    assert.equal(first.stderr, '')
    assert.deepEqual(JSON.parse(first.stdout).args, ['chat', '--json', 'two words'])
    assert.equal(bootstrap(copy, ['fail']).status, 7)
  })

  it('remembers that a folder is complete', () => {
    const copy = clone()
    bootstrap(copy, ['help'])
    rmSync(join(copy, 'node_modules', '.package-lock.json'))
    assert.equal(bootstrap(copy, ['help']).status, 0)
  })

  it('installs from the lock file without install scripts, and shows npm when it fails', () => {
    const copy = clone({ bare: true })
    const { status, stderr, stdout } = bootstrap(copy, ['help'])
    assert.equal(status, 1)
    assert.equal(stdout, '')
    assert.match(stderr, /Installing dependencies …/)
    assert.match(stderr, /npm was asked: install,--no-save,--ignore-scripts/)
  })

  it('installs again when the lock file changed', () => {
    const copy = clone()
    bootstrap(copy, ['help'])
    const lockFile = join(copy, 'package-lock.json')
    const lock = JSON.parse(readFileSync(lockFile, 'utf8'))
    lock.packages['node_modules/zod'].version = '99.0.0'
    writeFileSync(lockFile, JSON.stringify(lock))
    const { status, stderr } = bootstrap(copy, ['help'])
    assert.equal(status, 1)
    assert.match(stderr, /npm was asked/)
  })

  it('offline names what is missing and asks npm nothing', () => {
    const copy = clone()
    const lockFile = join(copy, 'package-lock.json')
    const changed = readFileSync(lockFile, 'utf8').replace(
      /("node_modules\/zod": \{\s+"version": ")[^"]+/,
      '$199.0.0',
    )
    writeFileSync(lockFile, changed)
    const { status, stderr } = bootstrap(copy, ['help'], { GRISTMILL_OFFLINE: '1' })
    assert.equal(status, 1)
    assert.match(
      stderr,
      /GRISTMILL_OFFLINE is set and these packages are not installed: zod@99\.0\.0\./,
    )
    assert.doesNotMatch(stderr, /npm was asked|at .*bootstrap/)
  })

  it('builds the console when its sources changed, and only for commands that show it', () => {
    const copy = clone()
    const sources = join(copy, 'console')
    const vite = join(copy, 'node_modules', 'vite', 'bin')
    mkdirSync(join(sources, 'src'), { recursive: true })
    mkdirSync(vite, { recursive: true })
    writeFileSync(join(sources, 'vite.config.ts'), '')
    writeFileSync(join(sources, 'src', 'main.tsx'), 'one')
    writeFileSync(
      join(vite, 'vite.js'),
      `require('fs').mkdirSync(process.argv[3] + '/dist', { recursive: true })`,
    )
    const builds = (command: string) =>
      /Building the console: done/.test(bootstrap(copy, [command]).stderr)
    assert.deepEqual(['chat', 'start', 'start', 'demo'].map(builds), [false, true, false, false])
    writeFileSync(join(sources, 'src', 'main.tsx'), 'two')
    assert.deepEqual(['demo', 'start'].map(builds), [true, false])
  })

  it('goes on under the Node.js from npm when the running one is too old', () => {
    const copy = clone()
    const runtime = join(copy, 'bin', 'runtime.mjs')
    const code = readFileSync(runtime, 'utf8')
    // As on Node.js 20: the running executable is refused, the one from npm is not asked.
    writeFileSync(
      runtime,
      code.replace('if (isSuitable(process.versions.node))', 'if (process.env.GRISTMILL_PARENTS)'),
    )
    const { stdout, status } = bootstrap(copy, ['start'], {
      npm_lifecycle_event: '',
      GRISTMILL_PARENTS: '',
    })
    assert.equal(status, 0)
    assert.deepEqual(JSON.parse(stdout).args, ['start'])
  })

  it('without any Node.js that is new enough says what to install', () => {
    const copy = clone()
    const runtime = join(copy, 'bin', 'runtime.mjs')
    const code = readFileSync(runtime, 'utf8')
    writeFileSync(
      runtime,
      code
        .replace('const name = `node-', 'const name = `no-node-')
        .replace('const OLDEST = [24', 'const OLDEST = [26, 99'),
    )
    const { stderr, status } = bootstrap(copy, ['start'])
    assert.equal(status, 1)
    assert.match(stderr, /Install Node\.js 24 from https:\/\/nodejs\.org/)
  })

  it('passes SIGTERM on and ends as the program does', {
    skip: olderNode() === undefined,
  }, async () => {
    const copy = clone()
    const script = join(copy, 'scripts', 'bootstrap.mjs')
    const child = spawn(olderNode() ?? '', [script, 'wait'], {
      stdio: ['ignore', 'pipe', 'inherit'],
    })
    const [line] = (await once(createInterface({ input: child.stdout }), 'line')) as [string]
    assert.equal(JSON.parse(line).version, process.versions.node)
    child.kill('SIGTERM')
    assert.deepEqual(await once(child, 'exit'), [3, null])
  })
})

/** The system's Node.js, where it is older than what the program needs. */
function olderNode(): string | undefined {
  const path = '/usr/bin/node'
  if (!existsSync(path)) return undefined
  const version = spawnSync(path, ['--version'], { encoding: 'utf8' }).stdout
  return Number(/^v(\d+)/.exec(version)?.[1]) < 24 ? path : undefined
}
