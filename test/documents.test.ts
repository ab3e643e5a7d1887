/** Every `sh` block of the README and the quickstart is executed, in order, as a reader would. */
import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { chmodSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { childEnvironment } from '../src/base/index.ts'
import { removeHome, startServer, type TestServer } from './server.ts'

const run = promisify(execFile)
const PROGRAM = fileURLToPath(new URL('../src/cli/program.ts', import.meta.url))
const tools = mkdtempSync(join(tmpdir(), 'gristmill-documents-'))
let server: TestServer

/** What cannot be run as it is written, and what is run instead; nothing else is changed. */
const substitutions: [written: string, run: () => string][] = [
  ['npm start', () => ': # it runs already'],
  ['npm test', () => ': # it is what runs this'],
  ['npm run demo', () => 'gristmill demo --seconds 5'],
  ["alias gristmill='npm run -s gristmill --'", () => ': # the command is on the path here'],
]

before(async () => {
  server = await startServer()
  const command = join(tools, 'gristmill')
  writeFileSync(command, `#!/bin/sh\nexec '${process.execPath}' '${PROGRAM}' "$@"\n`)
  chmodSync(command, 0o755)
})

after(async () => {
  await server.stop()
  removeHome(server.home)
  rmSync(tools, { recursive: true })
})

function blocksOf(path: string): string[] {
  const text = readFileSync(new URL(`../${path}`, import.meta.url), 'utf8')
  return [...text.matchAll(/^```sh\n(.*?)^```$/gms)].map(([, block = '']) => block.trim())
}

const asRun = (block: string) =>
  (substitutions.find(([written]) => written === block)?.[1]() ?? block).replaceAll(
    'http://127.0.0.1:4400',
    server.url,
  )

/** Runs all blocks in one shell, as variables of one are used in the next; what it printed. */
async function follow(path: string): Promise<string> {
  const blocks = blocksOf(path)
  assert.ok(blocks.length > 0, `${path} has commands`)
  const script = ['set -euo pipefail', ...blocks.map(asRun)].join('\n')
  const env = childEnvironment({
    PATH: `${tools}:${childEnvironment().PATH}`,
    GRISTMILL_HOME: server.home,
  })
  const { stdout } = await run('bash', ['-c', script], { env, cwd: tools })
  return stdout
}

describe('the commands of the documents', () => {
  it('work in the quickstart, from two teams to what it came to', async () => {
    const out = await follow('docs/quickstart.md')
    assert.match(out, /^ok +server/m, 'doctor')
    assert.match(out, /"object":"chat\.completion\.chunk"/, 'a streamed answer')
    const used = /^(Research|Support) +toy +(\d+) /gm
    const requests = Object.fromEntries([...out.matchAll(used)].map(([, name, n]) => [name, n]))
    assert.equal(requests.Research, '32')
    assert.ok(Number(requests.Support) >= 3, 'chat, stream, and one beside the flood')
    assert.match(out, /Archived Research/)
  })

  it('work in the page on routes', async () => {
    const out = await follow('docs/routes.md')
    assert.match(out, /Version 1 of the routes holds: 2 routes/)
    assert.match(out, /gpt-4o-mini is the route small; Sales asks with class standard/)
    assert.match(out, /toy +1 +3 +75 %/, 'weights among equals')
    assert.match(out, /larger +2 +1 +0 % +it is for prompts of up to 8000 tokens/)
    assert.match(out, /^ +3 .*version 1 again$/m)
  })

  it('work in the README', async () => {
    const out = await follow('README.md')
    assert.match(out, /fair +Demo light/, 'the table of the demo')
  })

  it('exist as scripts where they stand for one', () => {
    const text = readFileSync(new URL('../package.json', import.meta.url), 'utf8')
    const { scripts } = JSON.parse(text) as { scripts: Record<string, string> }
    for (const name of ['start', 'test', 'demo', 'gristmill']) assert.ok(scripts[name], name)
    for (const [written] of substitutions) {
      const all = ['README.md', 'docs/quickstart.md'].flatMap(blocksOf)
      assert.ok(all.includes(written), `${written} is still written somewhere`)
    }
  })
})
