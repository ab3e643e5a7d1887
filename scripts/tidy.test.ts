import assert from 'node:assert/strict'
import { existsSync, globSync, readdirSync, readFileSync } from 'node:fs'
import { basename } from 'node:path'
import { describe, it } from 'node:test'
import { roomOf, rooms, unreachable, type Violation, violationsIn } from './tidy-rules.ts'
import { parseSource, readSources } from './tidy-source.ts'

/** A rule that a file may break for a reason. The list may only become shorter. */
interface Exception {
  rule: string
  path: string
  why: string
}

const sources = readSources([
  'src/**/*.{ts,mjs}',
  'bench/**/*.ts',
  'test/**/*.ts',
  'scripts/**/*.ts',
])
const exceptionsFile = new URL('./tidy-exceptions.json', import.meta.url)
const exceptions = JSON.parse(readFileSync(exceptionsFile, 'utf8')) as Exception[]
const violations = violationsIn(sources)
const isExcepted = ({ rule, path }: Violation) =>
  exceptions.some((exception) => exception.rule === rule && exception.path === path)

const ENTRIES = ['src/cli/program.ts', 'src/llama/engine-process.ts', 'src/serve/plan-worker.ts']

describe('the source', () => {
  const open = violations.filter((violation) => !isExcepted(violation))
  for (const rule of new Set(['rooms', 'front doors', ...open.map((one) => one.rule)])) {
    it(`keeps to the rule of ${rule}`, () => {
      const found = open.filter((one) => one.rule === rule)
      assert.deepEqual(
        found.map(({ path, line, message }) => `${path}:${line} ${message}`),
        [],
      )
    })
  }

  it('needs every exception that it has', () => {
    const idle = exceptions.filter(
      ({ rule, path }) => !violations.some((one) => one.rule === rule && one.path === path),
    )
    assert.deepEqual(idle, [], 'take these out of scripts/tidy-exceptions.json')
    for (const { why, path } of exceptions) assert.ok(why.length > 10, `${path} says no reason`)
  })

  it('has no file that nothing leads to', () => {
    assert.deepEqual(unreachable(sources, ENTRIES), [])
  })

  it('has a front door with a sentence in every room', () => {
    const folders = readdirSync('src', { withFileTypes: true }).filter((one) => one.isDirectory())
    for (const { name } of folders) {
      assert.ok(rooms.includes(name), `${name} is in the list of rooms`)
      const front = `src/${name}/index.ts`
      assert.ok(existsSync(front), `${front} exists`)
      assert.match(
        readFileSync(front, 'utf8'),
        /^\/\*\*\s.+?\.\s/s,
        `${front} begins with a sentence`,
      )
    }
  })

  it('gives every migration a number of its own', () => {
    const numbers = globSync('src/store/migrations/*.sql').map((path) => basename(path).slice(0, 4))
    assert.ok(numbers.length > 0)
    assert.deepEqual([...new Set(numbers)].sort(), numbers.sort())
    for (const number of numbers) assert.match(number, /^\d{4}$/)
  })
})

describe('the rules', () => {
  const found = (path: string, text: string) =>
    violationsIn([parseSource(path, `/** Sample. */\n${text}`)]).map(({ rule }) => rule)

  it('find a room that looks down, or in by a window', () => {
    assert.deepEqual(found('src/meter/a.ts', "import '../pool/index.ts'"), ['rooms'])
    assert.deepEqual(found('src/pool/a.ts', "import '../meter/ledger.ts'"), ['front doors'])
    assert.deepEqual(found('src/llama/a.ts', "import '../host/index.ts'"), ['rooms'])
    assert.deepEqual(found('src/pool/a.ts', "export * from '../meter/index.ts'"), [])
    assert.deepEqual(found('src/base/a.ts', "await import('../cli/index.ts')"), ['rooms'])
    assert.equal(roomOf('src/main.ts'), 'main.ts')
  })

  it('find clocks, chance and the environment outside base', () => {
    for (const text of ['Date.now()', 'setTimeout(f, 1)', 'new Date()', 'Math.random()']) {
      assert.deepEqual(found('src/pool/a.ts', text), ['clock and chance'], text)
      assert.deepEqual(found('src/base/a.ts', text), [], text)
    }
    assert.deepEqual(found('src/pool/a.ts', 'new Date(5); clock.setTimeout()'), [])
    assert.deepEqual(found('src/base/a.ts', 'process.env.HOME'), ['environment'])
  })

  it('find what is too long, swallowed or left for later', () => {
    const long = `function f() {${'\n'.repeat(75)}}`
    assert.deepEqual(found('src/pool/a.ts', long), ['function length'])
    assert.deepEqual(found('src/pool/a.ts', 'f()\n'.repeat(401)), ['file length'])
    assert.deepEqual(found('src/pool/a.ts', `f(${'1 + '.repeat(30)}1)`), ['line length'])
    assert.deepEqual(found('src/pool/a.ts', 'try { f() } catch {}'), ['swallowed errors'])
    assert.deepEqual(found('src/pool/a.ts', `// ${'TO'}${'DO'}: later`), ['words'])
    assert.deepEqual(found('src/pool/a.ts', 'export default 1'), ['default exports'])
    assert.deepEqual(found('src/pool/a.test.ts', "it.skip('x', f)"), ['skipped tests'])
  })

  it('find a file that nothing leads to', () => {
    const files = [
      parseSource('src/cli/program.ts', "import './a.ts'"),
      parseSource('src/cli/a.ts', "new URL('./b.ts', import.meta.url)"),
      parseSource('src/cli/b.ts', ''),
      parseSource('src/cli/c.ts', ''),
    ]
    assert.deepEqual(unreachable(files, ENTRIES), ['src/cli/c.ts'])
  })
})
