import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer, type IncomingMessage } from 'node:http'
import { type AddressInfo, connect } from 'node:net'
import { after, before, describe, it } from 'node:test'
import { GristmillError } from '../base/index.ts'
import { readFileForm } from './file-form.ts'

const PART = '--x\r\ncontent-disposition: form-data; name="file"; filename="a"\r\n\r\none line\r\n'

describe('a form whose client goes away', () => {
  const server = createServer()
  before(async () => {
    server.listen(0, '127.0.0.1')
    await once(server, 'listening')
  })
  after(() => server.close())

  /** @param body so much of it is sent as there is */
  async function asked(body: string, length: number) {
    const { port } = server.address() as AddressInfo
    const client = connect(port, '127.0.0.1')
    const head = ['POST / HTTP/1.1', 'host: mill', 'content-type: multipart/form-data; boundary=x']
    client.write([...head, `content-length: ${length}`, '', body].join('\r\n'))
    const [request] = (await once(server, 'request')) as [IncomingMessage]
    return { client, request }
  }

  async function read(request: IncomingMessage): Promise<string> {
    const form = readFileForm(request)
    let text = ''
    try {
      for await (const piece of form.content()) text += piece.toString()
    } finally {
      form.close()
    }
    return text
  }

  const isCut = (error: unknown) =>
    error instanceof GristmillError && error.message.includes('ended before the file did')

  it('ends while it is read', async () => {
    const { client, request } = await asked(PART, PART.length + 5)
    const reading = read(request)
    client.destroy()
    await assert.rejects(reading, isCut)
  })

  it('ends before it is read, whether or not all of it had come', async () => {
    const whole = `${PART}--x--`
    for (const length of [whole.length, whole.length + 5]) {
      const { client, request } = await asked(whole, length)
      client.destroy()
      await once(request, 'close').catch(() => undefined)
      await assert.rejects(read(request), isCut)
    }
  })

  it('is read where it ends in time', async () => {
    const whole = `${PART}--x--`
    const { client, request } = await asked(whole, whole.length)
    assert.equal(await read(request), 'one line')
    client.destroy()
  })
})
