/**
 * Runs the tests. What only they need and npm does not bring is looked for, installed when we may,
 * or named together with the tests that it would enable; with CI set a missing one is an error.
 *
 *   npm test                           all of them
 *   npm test -- src/store              files whose path contains the text
 *   npm test -- --test-name-pattern=X  options of Node's test runner
 *   npm run test:engines -- --dir DIR  what needs real engines, which lie in the folder
 */
import { spawn, spawnSync } from 'node:child_process'
import { existsSync, globSync } from 'node:fs'
import { constants } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

interface Requirement {
  name: string
  /** Present when this file exists. */
  path: string
  debianPackage: string
  /** Tests that are skipped without it. */
  group: string
}

const requirements: Requirement[] = [
  {
    name: 'Chromium',
    path: '/usr/bin/chromium',
    debianPackage: 'chromium',
    group: 'the console in a browser',
  },
  {
    name: 'PostgreSQL 15',
    path: '/usr/lib/postgresql/15/bin/postgres',
    debianPackage: 'postgresql-15',
    group: "the database under DATABASE_URL (Debian's PostgreSQL 15)",
  },
  {
    name: 'psql',
    path: '/usr/bin/psql',
    debianPackage: 'postgresql-client',
    group: 'psql on the embedded database',
  },
]

const PATTERNS = [
  'src/**/*.test.ts',
  'test/**/*.test.ts',
  'scripts/**/*.test.ts',
  'bench/**/*.test.ts',
]
/** Longest run of one file, milliseconds. */
const TIMEOUT_MS = 300_000
/** Real engines are slow where they have no accelerator. */
const ENGINES_TIMEOUT_MS = 3_600_000
const ENGINE_FILES = ['test/real-engines.test.ts', 'test/compatibility-engines.test.ts']

const root = dirname(dirname(fileURLToPath(import.meta.url)))
process.chdir(root)
/** Each file runs in a process of its own, and most of them load the same modules. */
const COMPILED = join(root, 'node_modules', '.cache', 'gristmill-tests')
const isSet = (name: string) => !['', '0', 'false', undefined].includes(process.env[name])

const absent = () => requirements.filter(({ path }) => !existsSync(path))
if (absent().length > 0 && mayInstall()) install(absent())
for (const { name, group, debianPackage } of absent()) {
  console.error(
    `SKIPPED GROUP: ${group}. ${name} is missing; "apt-get install ${debianPackage}" enables it.`,
  )
}
if (absent().length > 0 && isSet('CI')) {
  console.error('CI is set, where no group may be skipped.')
  process.exit(1)
}
run()

function mayInstall(): boolean {
  const debian = existsSync('/usr/bin/apt-get') && existsSync('/etc/debian_version')
  return debian && process.getuid?.() === 0 && !isSet('GRISTMILL_OFFLINE')
}

function install(missing: Requirement[]): void {
  const names = missing.map(({ debianPackage }) => debianPackage)
  console.error(`Installing for the tests: ${names.join(', ')} …`)
  const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive' }
  const apt = (...given: string[]) => {
    const done = spawnSync('apt-get', given, { env, encoding: 'utf8' })
    if (done.status !== 0)
      console.error(`apt-get ${given[0]} failed:\n${done.stdout}${done.stderr}`)
    return done.status === 0
  }
  if (!apt('update')) return
  // One by one: what a release does not have must not keep the rest away.
  for (const name of names) apt('install', '-y', '--no-install-recommends', name)
}

interface Wanted {
  /** Arguments of the runner. */
  options: string[]
  /** A file is run whose path has one of them. */
  filters: string[]
}

function wanted(given: readonly string[]): Wanted {
  if (given[0] === '--engines') return atEngines(given.slice(1))
  const own = ['--test-concurrency=2', `--test-timeout=${TIMEOUT_MS}`]
  return {
    options: [...own, ...given.filter((text) => text.startsWith('-'))],
    filters: given.filter((text) => !text.startsWith('-')),
  }
}

function atEngines(given: readonly string[]): Wanted {
  const at = given.indexOf('--dir')
  const dir = at === -1 ? undefined : given[at + 1]
  if (dir === undefined) {
    console.error('Name the folder with the engines: npm run test:engines -- --dir DIR')
    process.exit(1)
  }
  process.env.GRISTMILL_TEST_ENGINES = dir
  // One file at a time: two engines would share the processors.
  const own = ['--test-concurrency=1', `--test-timeout=${ENGINES_TIMEOUT_MS}`]
  return { options: [...own, ...given.toSpliced(at, 2)], filters: ENGINE_FILES }
}

function run(): void {
  const { options, filters } = wanted(process.argv.slice(2))
  const files = globSync(PATTERNS)
    .filter((file) => filters.length === 0 || filters.some((text) => file.includes(text)))
    .sort()
  if (files.length === 0) {
    console.error(`No test file has ${filters.join(' or ')} in its path.`)
    process.exit(1)
  }
  const reporter = ['--test-reporter=spec', '--test-reporter-destination=stdout']
  const all = ['--test', ...reporter, ...options, ...files]
  const env = { ...process.env, NODE_COMPILE_CACHE: COMPILED }
  const runner = spawn(process.execPath, all, { stdio: 'inherit', env })
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => runner.kill(signal))
  runner.on('exit', (code, signal) => {
    process.exit(signal ? 128 + constants.signals[signal] : (code ?? 1))
  })
}
