import assert from 'node:assert/strict'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, it } from 'node:test'
import { FakeClock } from '../base/index.ts'
import {
  type Answer,
  cutOnce,
  MODEL,
  openStore,
  refusedWith,
  SHA256,
  serveModel,
  startHub,
} from './models.fixture.ts'

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

  it('from a mirror that knows only the hub, of a repository that was renamed', async () => {
    for (const stated of [SHA256, '0'.repeat(64)]) {
      const hub = await startHub(serveModel, stated)
      const toHub: Answer = ({ url }, response) =>
        response.writeHead(307, { location: `${hub.url}${url}` }).end()
      const mirror = await startHub(toHub, '')
      const { store } = await openStore({ hubUrl: mirror.url, hubToken: 'hf_secret' })
      const added = store.add('owner/repository/Small.gguf')
      if (stated === SHA256) assert.equal((await added).sha256, SHA256)
      else await assert.rejects(added, refusedWith('model_file_invalid', /checksum is wrong/))
      const tokens = [...mirror.asked, ...hub.asked].map(({ headers }) => headers.authorization)
      assert.deepEqual(tokens, ['Bearer hf_secret', undefined, undefined, undefined])
    }
  })

  it('that is only ever sent on is given up', async () => {
    const around: Answer = ({ url }, response) => response.writeHead(302, { location: url }).end()
    const hub = await startHub(around)
    const { store } = await openStore({ hubUrl: hub.url })
    const refused = refusedWith('model_unavailable', /redirects more than 5 times/)
    await assert.rejects(store.add('owner/repository/Small.gguf'), refused)
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
