/**
 * The yardstick of `bench overhead`: the least that a Node proxy can do, `node:http` in front and
 * undici's dispatch behind, bytes both ways, back-pressure kept. Takes the engine's address.
 */
import { createServer, type IncomingHttpHeaders } from 'node:http'
import type { AddressInfo } from 'node:net'
import { Pool } from 'undici'

const pool = new Pool(process.argv[2] ?? '', { allowH2: false })

const server = createServer((request, response) => {
  const chunks: Buffer[] = []
  request.on('data', (chunk: Buffer) => chunks.push(chunk))
  request.on('end', () => {
    const body = chunks.length === 1 ? (chunks[0] ?? null) : Buffer.concat(chunks)
    const headers = { 'content-type': request.headers['content-type'] ?? 'application/json' }
    pool.dispatch(
      { method: 'POST', path: request.url ?? '/', headers, body },
      {
        onRequestStart() {},
        onResponseStart(_controller, status: number, answered: IncomingHttpHeaders) {
          response.writeHead(status, {
            'content-type': answered['content-type'] ?? 'application/json',
            ...(answered['content-length'] && { 'content-length': answered['content-length'] }),
          })
        },
        onResponseData(controller, chunk: Buffer) {
          if (response.write(chunk)) return
          controller.pause()
          response.once('drain', () => controller.resume())
        },
        onResponseEnd() {
          response.end()
        },
        onResponseError() {
          response.destroy()
        },
      },
    )
  })
})
process.on('SIGTERM', () => process.exit(0))
server.listen(0, '127.0.0.1', () => {
  const { port } = server.address() as AddressInfo
  process.stdout.write(`${JSON.stringify({ url: `http://127.0.0.1:${port}` })}\n`)
})
