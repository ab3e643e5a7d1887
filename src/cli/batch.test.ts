/** Batches from the command line, on a real server, database and runner; the engines stand in. */
import assert from 'node:assert/strict'
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { GristmillError, systemClock, systemRandom } from '../base/index.ts'
import { BatchDoor, FileDoor } from '../batch/index.ts'
import {
  type Answering,
  chatLine,
  goodAnswer,
  type TestBatches,
  testBatches,
  usage,
} from '../batch/test-batches.ts'
import type { BatchService, BatchView, GatewayService } from '../http/index.ts'
import { LOCAL_TOKEN, openTestServer, type TestServer } from '../http/test-server.ts'
import { batchService } from '../serve/batch-service.ts'
import { cli, type Outcome } from './test-cli.ts'

const home = mkdtempSync(join(tmpdir(), 'gristmill-batch-cli-'))
const at = (name: string) => join(home, name)
const local = { GRISTMILL_HOME: home }
let own: Record<string, string> = {}
let server: TestServer
let batches: TestBatches
/** What the engines do with a line; changed by tests. */
let answering: Answering = goodAnswer

/** Doors that need the database of the server, which is there only after them. */
const batchDoor = Promise.withResolvers<GatewayService>()
const fileDoor = Promise.withResolvers<GatewayService>()
const service = Promise.withResolvers<BatchService>()
const later = ({ promise }: PromiseWithResolvers<GatewayService>): GatewayService => ({
  handle: async (...given) => (await promise).handle(...given),
})

before(async () => {
  server = await openTestServer({
    batchDoor: later(batchDoor),
    fileDoor: later(fileDoor),
    batches: {
      list: async (...given) => (await service.promise).list(...given),
      get: async (id) => (await service.promise).get(id),
      cancel: async (id) => (await service.promise).cancel(id),
    },
  })
  const { database } = server
  batches = testBatches(database, (line) => answering(line), {
    limits: { fileBytesMax: 100_000, batchesMax: 3 },
  })
  const { files, runner, limits } = batches
  const base = { database, files, limits, clock: systemClock, random: systemRandom }
  batchDoor.resolve(new BatchDoor({ ...base, wake: () => runner.wake() }))
  fileDoor.resolve(new FileDoor({ files, limits }))
  service.resolve(batchService(database, runner, systemClock))
  runner.start()

  writeFileSync(at('server.json'), JSON.stringify({ url: server.url, pid: process.pid }))
  writeFileSync(at('cli-token'), LOCAL_TOKEN)
  const classes = ['--classes', 'standard,batch']
  const tenant = await cli(['tenant', 'create', 'Reports', ...classes, '--json'], local)
  assert.equal(tenant.code, 0, tenant.err)
  const key = await cli(['key', 'create', '--tenant', 'Reports'], local)
  own = { ...local, GRISTMILL_API_KEY: key.out.trim() }
  batches.principal = await server.tenancy.authenticate(key.out.trim())
})
after(async () => {
  await batches.close()
  await server.close()
  rmSync(home, { recursive: true })
})

/** As the tenant does it. */
const batch = (...words: string[]) => cli(['batch', ...words], own)
/** As whoever runs the server does it, without any key. */
const admin = (...words: string[]) => cli(['batch', ...words], local)

function fileOf(lines: readonly string[], name = 'lines.jsonl'): string {
  writeFileSync(at(name), lines.join('\n'))
  return at(name)
}
const lines = (count: number) => Array.from({ length: count }, (_, i) => chatLine(`line-${i}`))
/** Waits until so many lines have an answer and the forecast knows of them. */
async function reached(id: string, completed: number) {
  for (;;) {
    const { lines, forecast } = JSON.parse((await admin('status', id, '--json')).out) as BatchView
    if (lines.completed === completed && forecast.remaining === lines.total - completed) return
    await systemClock.sleep(20)
  }
}
const idOf = ({ code, out, err }: Outcome) => {
  assert.equal(code, 0, err)
  return out.trim()
}

describe('a batch from the command line', () => {
  it('is sent, watched and read, each line with its answer', async () => {
    answering = goodAnswer
    const sent = await batch(
      'submit',
      fileOf(lines(25), 'grüne "lines".jsonl'),
      '--metadata',
      'run=nightly',
    )
    assert.match(sent.err, /Sending 25 lines \(.*Next: gristmill batch watch batch_/s)
    const id = idOf(sent)
    const watched = await batch('watch', id)
    assert.equal(watched.code, 0, watched.err)
    assert.match(watched.err, /completed █+ 25 of 25 lines \(100 %\)\n {2}It has ended\./)
    assert.match(watched.out, /is completed after .*\n25 of 25 lines.*125 tokens in, 75 out/)

    const printed = await batch('results', id)
    const ids = printed.out.trim().split('\n')
    assert.equal(new Set(ids.map((line) => JSON.parse(line).custom_id)).size, 25)
    const paths = ['--output', at('answers.jsonl'), '--errors', at('errors.jsonl')]
    const written = await batch('results', id, ...paths, '--json')
    const { output, errors } = JSON.parse(written.out)
    assert.equal(readFileSync(at('answers.jsonl'), 'utf8'), printed.out)
    assert.deepEqual(output, { path: at('answers.jsonl'), bytes: printed.out.length })
    assert.match(written.err, /Every line has its answer/)
    assert.deepEqual(errors, { path: at('errors.jsonl'), bytes: 0 })
    assert.deepEqual(
      readdirSync(home).filter((name) => name.endsWith('.part')),
      [],
    )
    assert.match((await batch('status', id)).out, /Metadata +run=nightly/)
  })

  it('tells the tenant with its key and the operator without one the same', async () => {
    const id = idOf(await batch('submit', fileOf(lines(2)), '--window', '90m'))
    await batches.ended(id)
    const seen = async (run: typeof batch) => JSON.parse((await run('status', id, '--json')).out)
    const [mine, theirs] = [await seen(batch), await seen(admin)]
    for (const name of ['id', 'status', 'tokens', 'forecast', 'outputFileId', 'errors']) {
      const { endsAt: _, ...forecast } = theirs.forecast
      if (name === 'forecast') assert.deepEqual({ ...mine.forecast, ...forecast }, mine.forecast)
      else assert.deepEqual(mine[name], theirs[name], name)
    }
    assert.equal(new Date(mine.expiresAt).getTime() - new Date(mine.createdAt).getTime(), 5_400_000)
    assert.match((await admin('list')).out, new RegExp(`${id} +Reports +completed +2 +100 %`))
    assert.match((await batch('list')).out, new RegExp(`${id} +completed +2 +100 %`))
    const last = JSON.parse((await batch('list', '--last', '1', '--json')).out)
    assert.deepEqual(
      last.map((one: { id: string }) => one.id),
      [id],
    )
  })

  it('shows while it runs when it will end, and what that rests on', async () => {
    let open = 8
    const { promise: gate, resolve: go } = Promise.withResolvers<void>()
    answering = async (line) => {
      if (open-- <= 0) await gate
      return goodAnswer(line)
    }
    const id = idOf(await batch('submit', fileOf(lines(10))))
    await reached(id, 8)
    const mine = (await batch('status', id)).out
    assert.match(mine, /Progress +█+░+ 8 of 10 lines \(80 %\)/)
    assert.match(mine, /Pace +[\d.]+ lines\/s/)
    assert.match(
      mine,
      /Expected +ends about .*\(in .*\)\. 8 lines ended in the .* since it began\./,
    )
    const theirs = (await admin('status', id)).out
    assert.match(theirs, /Expected +ends about .*\(in .*\)\. 8 lines ended in the last \d+ s\./)
    const early = await batch('results', id, '--output', at('early.jsonl'))
    assert.equal(early.code, 1)
    assert.match(early.err, /has not ended \(in progress, 8 of 10 lines.*batch watch batch_/)
    assert.ok(!existsSync(at('early.jsonl')))

    const shown = Promise.withResolvers<void>()
    const watching = cli(['batch', 'watch', id, '--json'], own, undefined, shown.resolve)
    await shown.promise
    go()
    const { code, out, err } = await watching
    assert.equal(code, 0, err)
    assert.match(err, /^in progress █+░+ 8 of 10.*lines\/s, ends about/)
    assert.equal(JSON.parse(out).status, 'completed')
  })

  it('is watched on while the server starts again', async () => {
    const looks = [200, 503, 200]
    let seen = { status: 'in_progress', endedAt: null as string | null }
    const id = idOf(await batch('submit', fileOf(lines(1))))
    await batches.ended(id)
    const last = JSON.parse((await admin('status', id, '--json')).out)
    const restarting = createServer((_, response) => {
      const status = looks.shift() ?? 500
      response.writeHead(status, { 'content-type': 'application/json' })
      response.end(JSON.stringify(status === 200 ? { ...last, ...seen } : { error: {} }))
      if (status === 503) seen = last
    }).listen(0, '127.0.0.1')
    await new Promise((resolve) => restarting.on('listening', resolve))
    const { port } = restarting.address() as AddressInfo
    const { code, out, err } = await batch('watch', id, '--url', `http://127.0.0.1:${port}`)
    restarting.close()
    assert.equal(code, 0, err)
    assert.match(err, /^in progress.*The server does not answer; the batch goes on.*completed/s)
    assert.match(out, /is completed/)
  })

  it('ends with 1 where its lines are refused, and says which', async () => {
    answering = goodAnswer
    const [good = ''] = lines(1)
    const bad = chatLine('other', { body: { model: 'none', messages: [] } })
    const { code, out } = await batch('submit', fileOf([good, bad]), '--watch')
    assert.equal(code, 1)
    assert.match(out, /is failed after/)
    assert.match(out, / 2 +model_not_found +The model none does not exist/)
    const [id = ''] = out.split(' ')
    const results = await batch('results', id)
    assert.equal(results.code, 1)
    assert.match(results.err, /is failed and has no answers — gristmill batch status/)
  })

  it('keeps what is done when it is cancelled, and reports the rest', async () => {
    answering = (line) => (line.request.raw.includes('line-0') ? goodAnswer(line) : 'never')
    const id = idOf(await batch('submit', fileOf(lines(3))))
    await reached(id, 1)
    const cancelled = await batch('cancel', id)
    assert.equal(cancelled.code, 0, cancelled.err)
    assert.match(cancelled.out, /is cancell(ing|ed): /)
    const watched = await admin('watch', id)
    assert.equal(watched.code, 1)
    await batch('results', id, '--output', at('some.jsonl'), '--errors', at('rest.jsonl'))
    const rest = readFileSync(at('rest.jsonl'), 'utf8')
    assert.equal(rest.split('batch_cancelled').length, 3)
    assert.match(readFileSync(at('some.jsonl'), 'utf8'), /line-0/)
    const again = await batch('cancel', id)
    assert.equal(again.code, 0, 'what is cancelled stays so')
  })

  it('says that lines failed where nobody asked for them', async () => {
    answering = (line) =>
      line.request.raw.includes('line-1')
        ? { answer: null, error: new GristmillError('context_length_exceeded'), usage }
        : goodAnswer(line)
    const id = idOf(await batch('submit', fileOf(lines(2))))
    await batches.ended(id)
    const { code, out, err } = await batch('results', id)
    assert.equal(code, 0, err)
    assert.equal(out.trim().split('\n').length, 1)
    assert.match(err, /--errors FILE/)
    const beyond = await batch('results', id, '--output', at('no/such/folder.jsonl'))
    assert.equal(beyond.code, 1)
    assert.match(beyond.err, /folder\.jsonl: it cannot be written \(ENOENT\)/)
  })
})

describe('a file that cannot be a batch', () => {
  const filesKept = async () => {
    const answer = await server.ask('GET', '/v1/files', { key: own.GRISTMILL_API_KEY ?? '' })
    return answer.json.data.length as number
  }
  const refused = async (...words: string[]) => {
    const before = await filesKept()
    const outcome = await batch('submit', ...words)
    assert.equal(outcome.code, 1, outcome.out)
    assert.equal(outcome.out, '')
    assert.equal(await filesKept(), before, 'nothing is left at the server')
    return outcome.err
  }

  it('is named with what is wrong, line by line, before anything is sent', async () => {
    const [good = ''] = lines(1)
    const other = chatLine('other', { url: '/v1/embeddings' })
    const err = await refused(fileOf([good, '', 'no json', good, other, '{"custom_id":7}']))
    assert.match(err, /lines\.jsonl:3: It is not a line of JSON/)
    assert.match(err, /lines\.jsonl:4: custom_id: line 1 has the same\./)
    assert.match(err, /lines\.jsonl:5: url: .*\/v1\/chat\/completions\./)
    assert.match(err, /lines\.jsonl:6: custom_id: a string is needed\./)
    assert.match(err, /4 lines are bad; nothing was sent/)
    assert.doesNotMatch(err, /Sending/)
  })

  it('says so where it is no JSON lines at all, without a message for each line', async () => {
    const err = await refused(fileOf(Array.from({ length: 300 }, () => '[')))
    assert.equal(err.trim().split('\n').length, 21)
    assert.match(err, /20 lines are bad, the rest was not looked at/)
    assert.match(await refused(fileOf(['', ''])), /it has no lines/)
  })

  it('says so where it is missing, or no file, or too large for the server', async () => {
    assert.match(await refused(at('missing.jsonl')), /missing\.jsonl: there is no such file/)
    assert.match(await refused(home), /it is not a file/)
    assert.match(await refused(fileOf(lines(40_000))), /The file is larger than 100000 bytes/)
  })

  it('is taken back where no batch can be made of it', async () => {
    assert.match(await refused(fileOf(lines(1)), '--window', '90d'), /completion_window: it may be/)
  })

  it('names what may be asked for', async () => {
    const err = await refused(fileOf(lines(1)), '--endpoint', '/v1/images')
    assert.match(err, /--endpoint: one of \/v1\/chat\/completions, .* is needed/)
  })
})

describe('mistakes with batches', () => {
  it('says which key is needed and how to make one', async () => {
    for (const words of [
      ['submit', fileOf(lines(1))],
      ['results', 'batch_1'],
    ]) {
      const { code, err } = await admin(...words)
      assert.equal(code, 1)
      assert.match(err, /key of the tenant is needed.*GRISTMILL_API_KEY.*gristmill key create/)
    }
  })

  it('says what is wrong with a file before it asks for a key', async () => {
    assert.match((await admin('submit', at('missing.jsonl'))).err, /there is no such file/)
    const { code, err } = await admin('submit', fileOf(['{}']))
    assert.equal(code, 1)
    assert.match(err, /:1: url: one of .* is needed/)
  })

  it('ends with 2 where the command line was not understood', async () => {
    for (const words of [
      ['submit'],
      ['submit', 'x', '--window', 'tomorrow'],
      ['submit', 'x', '--metadata', 'nightly'],
      ['results', 'batch_1', '--json'],
    ]) {
      const { code, err } = await batch(...words)
      assert.equal(code, 2, words.join(' '))
      assert.match(err, /error:.*\n\(gristmill batch [a-z]+ --help shows how\)/s)
    }
  })

  it('knows no batch of that name, for anybody', async () => {
    for (const run of [batch, admin]) {
      for (const word of ['status', 'watch', 'cancel']) {
        const { code, err } = await run(word, 'batch_none')
        assert.equal(code, 1)
        assert.match(err, /There is no batch batch_none/)
      }
    }
  })
})
