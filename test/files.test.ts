/**
 * What a builder does with files by the official OpenAI client, against the real server.
 *
 * With GRISTMILL_TEST_FILE_BYTES=209715200 the upload that is watched has 200 MB, more than memory
 * may grow by; the small one of every day only shows that all of it arrives.
 */

import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { request } from 'node:http'
import { after, before, describe, it } from 'node:test'
import OpenAI, { toFile } from 'openai'
import { eventually } from '../src/base/test-eventually.ts'
import { openAi, thrownBy } from './sdk-clients.ts'
import { removeHome, startServer, type TestServer } from './server.ts'

const BYTES = Number(process.env.GRISTMILL_TEST_FILE_BYTES ?? 48 * 1024 * 1024)
const MEBIBYTE = 1024 * 1024
/** Some pieces at a time, and what the collector has not taken yet. */
const MEMORY_GROWTH_MAX = 160 * MEBIBYTE

let server: TestServer
let client: OpenAI

before(async () => {
  const env = {
    GRISTMILL_ENGINE: 'none',
    GRISTMILL_FILE_BYTES_MAX: String(BYTES),
    GRISTMILL_TENANT_FILE_BYTES_MAX: String(BYTES + 4 * MEBIBYTE),
    GRISTMILL_UPLOADS_MAX: '4',
  }
  server = await startServer({ model: null, env })
  client = openAi(server)
})
after(async () => {
  await server.stop()
  removeHome(server.home)
})

const upload = (text: string, name = 'lines.jsonl', from = client) =>
  toFile(Buffer.from(text), name).then((file) => from.files.create({ file, purpose: 'batch' }))

const idsOf = async (from = client) => {
  const ids: string[] = []
  for await (const { id } of from.files.list()) ids.push(id)
  return ids
}

/** A form with a file of `bytes` bytes, sent by hand so that it can be watched and broken off. */
function sendForm(bytes: number, options: { endAfter?: number; onPiece?: () => void } = {}) {
  const head = [
    '--edge\r\ncontent-disposition: form-data; name="purpose"\r\n\r\nbatch\r\n',
    '--edge\r\ncontent-disposition: form-data; name="file"; filename="big.jsonl"\r\n',
    'content-type: application/octet-stream\r\n\r\n',
  ].join('')
  const headers = {
    authorization: `Bearer ${server.apiKey}`,
    'content-type': 'multipart/form-data; boundary=edge',
  }
  const call = request(`${server.url}/v1/files`, { method: 'POST', headers })
  const answer = new Promise<{ status: number; json: { id: string; bytes: number } }>(
    (resolve, reject) => {
      call.on('error', reject).on('response', async (response) => {
        let text = ''
        for await (const chunk of response) text += String(chunk)
        resolve({ status: response.statusCode ?? 0, json: JSON.parse(text) })
      })
    },
  )
  const piece = Buffer.alloc(MEBIBYTE, `${JSON.stringify({ grain: 'rye' })}\n`)
  const send = async () => {
    call.write(head)
    for (let sent = 0; sent < bytes; sent += MEBIBYTE) {
      if (options.endAfter !== undefined && sent >= options.endAfter) return call.destroy()
      options.onPiece?.()
      const isTaken = call.write(piece.subarray(0, Math.min(MEBIBYTE, bytes - sent)))
      if (!isTaken) await Promise.race([new Promise((go) => call.once('drain', go)), answer])
    }
    return call.end('\r\n--edge--\r\n')
  }
  return { send, answer }
}

/** A form that has begun and does not go on. */
function heldForm() {
  const headers = {
    authorization: `Bearer ${server.apiKey}`,
    'content-type': 'multipart/form-data; boundary=edge',
  }
  const call = request(`${server.url}/v1/files`, { method: 'POST', headers })
  call.on('error', () => undefined)
  call.write('--edge\r\ncontent-disposition: form-data; name="purpose"\r\n\r\nbatch\r\n')
  return call
}

describe('a file', () => {
  it('is uploaded, listed, read and deleted', async () => {
    const text = '{"custom_id":"1"}\n{"custom_id":"ü"}\n'
    const file = await upload(text, 'Über uns.jsonl')
    assert.equal(file.object, 'file')
    assert.equal(file.bytes, Buffer.byteLength(text))
    assert.equal(file.filename, 'Über uns.jsonl')
    assert.equal(file.purpose, 'batch')
    assert.equal((file.expires_at ?? 0) - file.created_at, 30 * 86_400)
    assert.deepEqual(await client.files.retrieve(file.id), file)
    assert.deepEqual(await idsOf(), [file.id])
    const content = await client.files.content(file.id)
    assert.equal(await content.text(), text)
    const gone = await client.files.delete(file.id)
    assert.deepEqual(gone, { id: file.id, object: 'file', deleted: true })
    const error = await thrownBy(client.files.retrieve(file.id))
    assert.ok(error instanceof OpenAI.NotFoundError)
    assert.match(error.requestID ?? '', /^req_/)
  })

  it('lives as long as it is told to', async () => {
    const file = await client.files.create({
      file: await toFile(Buffer.from('x'), 'x.jsonl'),
      purpose: 'batch',
      expires_after: { anchor: 'created_at', seconds: 3600 },
    })
    assert.equal((file.expires_at ?? 0) - file.created_at, 3600)
    await client.files.delete(file.id)
  })

  it('lists page by page, in either order', async () => {
    const made: string[] = []
    for (let i = 0; i < 5; i++) made.push((await upload(`${i}`)).id)
    const ids: string[] = []
    for await (const { id } of client.files.list({ limit: 2, order: 'asc' })) ids.push(id)
    assert.deepEqual(ids, made)
    assert.deepEqual(await idsOf(), made.toReversed())
    for await (const { id } of client.files.list({ purpose: 'fine-tune' })) assert.fail(id)
    const unknown = await thrownBy(client.files.list({ after: 'the_last_one' }))
    assert.ok(unknown instanceof OpenAI.BadRequestError)
    assert.equal(unknown.param, 'after')
    const error = await thrownBy(client.files.list({ purpose: 'a\0' }))
    assert.ok(error instanceof OpenAI.BadRequestError)
    for (const id of made) await client.files.delete(id)
  })

  it('is not there for another tenant', async () => {
    const file = await upload('{"secret":1}')
    const other = await server.tenant('Neighbours')
    const theirs = new OpenAI({ baseURL: `${server.url}/v1`, apiKey: other.key, maxRetries: 0 })
    for (const attempt of [
      () => theirs.files.retrieve(file.id),
      () => theirs.files.content(file.id),
      () => theirs.files.delete(file.id),
    ]) {
      assert.ok((await thrownBy(attempt())) instanceof OpenAI.NotFoundError)
    }
    assert.deepEqual(await idsOf(theirs), [])
    await client.files.delete(file.id)
  })
})

describe('an upload', () => {
  it('is refused with the field that is wrong, and nothing of it stays', async () => {
    const file = () => toFile(Buffer.from('x'), 'x.jsonl')
    const expires_after = { anchor: 'created_at', seconds: 5 } as const
    const wrong = [
      { param: 'purpose', body: { file: await file(), purpose: 'fine-tune' as const } },
      {
        param: 'expires_after[seconds]',
        body: { file: await file(), purpose: 'batch' as const, expires_after },
      },
    ]
    for (const { param, body } of wrong) {
      const error = await thrownBy(client.files.create(body))
      assert.ok(error instanceof OpenAI.BadRequestError)
      assert.equal(error.param, param)
    }
    const headers = { authorization: `Bearer ${server.apiKey}` }
    const post = (body: FormData | string) =>
      fetch(`${server.url}/v1/files`, { method: 'POST', headers, body })
    const form = new FormData()
    form.set('purpose', 'batch')
    const bodies = [form, 'no form at all']
    for (const body of bodies) assert.equal((await post(body)).status, 400)
    assert.deepEqual(await idsOf(), [])
  })

  it('streams through: memory does not grow with the file', async (context) => {
    const memory = () => {
      const status = readFileSync(`/proc/${server.line.pid}/status`, 'utf8')
      return Number(/VmRSS:\s+(\d+) kB/.exec(status)?.[1]) * 1024
    }
    await client.files.delete((await upload('warm')).id)
    const before = memory()
    let peak = before
    const onPiece = () => {
      peak = Math.max(peak, memory())
    }
    const form = sendForm(BYTES, { onPiece })
    await form.send()
    const { status, json } = await form.answer
    assert.equal(status, 200)
    assert.equal(json.bytes, BYTES)
    const response = await client.files.content(json.id)
    let bytes = 0
    for await (const chunk of response.body as unknown as AsyncIterable<Uint8Array>) {
      bytes += chunk.length
      onPiece()
    }
    assert.equal(bytes, BYTES)
    const grown = peak - before
    context.diagnostic(
      `${BYTES} bytes in and out; memory grew by ${Math.round(grown / MEBIBYTE)} MiB`,
    )
    assert.ok(grown < MEMORY_GROWTH_MAX, `${grown} bytes for a file of ${BYTES}`)
    const error = await thrownBy(upload('x'.repeat(5 * MEBIBYTE)))
    assert.ok(error instanceof OpenAI.APIError)
    assert.equal(error.code, 'file_quota_exceeded')
    await client.files.delete(json.id)
  })

  it('beyond the limit is refused, whether its length is told or not', async () => {
    const told = await thrownBy(upload('x'.repeat(BYTES + MEBIBYTE)))
    assert.ok(told instanceof OpenAI.APIError)
    assert.equal(told.code, 'file_too_large')
    const form = sendForm(BYTES + 2 * MEBIBYTE)
    await form.send()
    assert.equal((await form.answer).status, 413)
    assert.deepEqual(await idsOf(), [])
  })

  it('has room though another tenant sends as much at once as it may', async () => {
    const held = [1, 2].map(() => heldForm())
    await eventually('both arrive', async () => {
      const error = await upload('x').then(({ id }) => client.files.delete(id), String)
      return String(error).includes('half of them for one tenant')
    })
    const { key } = await server.tenant('Bakers')
    const theirs = new OpenAI({ baseURL: `${server.url}/v1`, apiKey: key, maxRetries: 0 })
    assert.equal((await upload('x', 'x.jsonl', theirs)).bytes, 1)
    for (const form of held) form.destroy()
    await eventually('there is room again', async () => {
      const file = await upload('x').catch(() => undefined)
      return file && client.files.delete(file.id)
    })
  })

  it('that breaks off leaves nothing, and takes nothing of the quota', async () => {
    const form = sendForm(8 * MEBIBYTE, { endAfter: 6 * MEBIBYTE })
    const refused = assert.rejects(form.answer)
    await form.send()
    await refused
    await eventually('the quota is free again', async () => {
      const whole = sendForm(BYTES)
      await whole.send()
      const { status, json } = await whole.answer
      if (status === 200) await client.files.delete(json.id)
      return status === 200
    })
    assert.deepEqual(await idsOf(), [])
  })
})
