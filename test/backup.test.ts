/**
 * A backup that was made while a server worked, restored into an empty home: the same use, keys
 * that work, answers that can be opened, books that are whole.
 */
import assert from 'node:assert/strict'
import { execFile, execFileSync } from 'node:child_process'
import { existsSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, it } from 'node:test'
import { fileURLToPath } from 'node:url'
import { childEnvironment } from '../src/base/index.ts'
import { eventually } from '../src/base/test-eventually.ts'
import type { Page, UsageRow, VerifiedPartView } from '../src/http/contract.ts'
import { chatBody, newHome, removeHome, startServer, type TestServer } from './server.ts'

const PROGRAM = fileURLToPath(new URL('../src/cli/program.ts', import.meta.url))
const work = newHome()
const home = join(work, 'home')
const file = join(work, 'backup.tar.gz')
let server: TestServer | undefined
after(async () => {
  await server?.stop()
  removeHome(work)
})

/** A response that the tenant's policy keeps. */
interface Kept {
  id: string
  output: unknown
}

/** The command line, as another process on the same machine. */
function cli(...args: string[]): Promise<{ code: number; out: string; err: string }> {
  const environment = { GRISTMILL_PARENTS: String(process.pid), DATABASE_URL: undefined }
  const options = { env: childEnvironment(environment) }
  return new Promise((resolve) => {
    execFile(process.execPath, [PROGRAM, ...args], options, (error, out, err) => {
      resolve({ code: typeof error?.code === 'number' ? error.code : error ? 1 : 0, out, err })
    })
  })
}

async function ask(given: TestServer, key: string): Promise<void> {
  const response = await given.v1('/chat/completions', chatBody(4, { stream: false }), { key })
  assert.equal(response.status, 200, await response.text())
}

const usage = async (given: TestServer, tenant: string) => {
  const query = `tenant=${tenant}&groupBy=tenant,model&from=2026-01-01T00:00:00Z`
  return (await given.api<Page<UsageRow>>('GET', `/api/usage?${query}`)).rows
}

async function proof(given: TestServer): Promise<void> {
  for (const part of ['requests', 'usage', 'statements']) {
    for (let after: string | null = ''; after !== null; ) {
      const path: string = `/api/ledger/verify?part=${part}${after === '' ? '' : `&after=${after}`}`
      const found: VerifiedPartView = await given.api('GET', path)
      assert.equal(found.broken, null)
      after = found.next
    }
  }
}

it('what was backed up under load goes on in an empty home', async () => {
  mkdirSync(home, { mode: 0o711 })
  const first = await startServer({ home })
  server = first
  const { apiKey } = first
  const quiet = await first.tenant('Quiet', { responseDays: 30 })
  const busy = await first.tenant('Busy')
  for (let i = 0; i < 3; i++) await ask(first, quiet.key)
  const response = { model: 'toy', input: 'Grind this.', max_output_tokens: 4 }
  const told = await first.v1('/responses', response, { key: quiet.key })
  const kept = (await told.json()) as Kept
  await eventually('all is booked', async () => (await usage(first, quiet.id))[0]?.requests === 4)
  const used = await usage(first, quiet.id)

  let isOver = false
  const load = async () => {
    let asked = 0
    for (; !isOver; asked++) await ask(first, busy.key)
    return asked
  }
  const loads = [load(), load(), load()]
  const made = await cli('backup', file, '--home', home, '--json')
  isOver = true
  assert.equal(made.code, 0, made.err)
  const asked = (await Promise.all(loads)).reduce((sum, count) => sum + count, 0)
  assert.equal(statSync(file).mode & 0o777, 0o600)
  const names = execFileSync('tar', ['-tzf', file], { encoding: 'utf8' }).trim().split('\n')
  assert.deepEqual([names[0], names.at(-1)], ['manifest.json', 'SHA256SUMS'])
  const again = await cli('backup', file, '--home', home)
  assert.match(again.err, /backup\.tar\.gz exists already/)
  await first.stop()
  server = undefined

  const other = join(work, 'other')
  const restored = await cli('restore', file, '--home', other, '--json')
  assert.equal(restored.code, 0, restored.err)
  assert.equal(JSON.parse(restored.out).rows, JSON.parse(made.out).rows)
  const second = await startServer({ home: other })
  server = second
  assert.deepEqual(await usage(second, quiet.id), used)
  const [ofBusy] = await usage(second, busy.id)
  assert.ok((ofBusy?.requests ?? 0) <= asked, 'nothing of after the backup')
  await proof(second)
  await ask(second, apiKey)
  await ask(second, quiet.key)
  const headers = { authorization: `Bearer ${quiet.key}` }
  const answer = await fetch(`${second.url}/v1/responses/${kept.id}`, { headers })
  assert.deepEqual(((await answer.json()) as Kept).output, kept.output)
})

it('a backup that is damaged or has no room is refused before anything is restored', async () => {
  const empty = join(work, 'empty')
  const bytes = readFileSync(file)
  const middle = Math.floor(bytes.length / 2)
  const damaged = Buffer.from(bytes)
  damaged[middle] = (damaged[middle] as number) ^ 255
  for (const [name, content] of Object.entries({ short: bytes.subarray(0, middle), damaged })) {
    const path = join(work, name)
    writeFileSync(path, content)
    const { code, err } = await cli('restore', path, '--home', empty)
    assert.equal(code, 1)
    assert.match(err, /Nothing was restored/)
    assert.ok(!existsSync(empty) || readdirSync(empty).length === 0)
  }
  const { err } = await cli('restore', file, '--home', home)
  assert.match(err, /home is not empty/)
})
