/** For tests: stores of models in homes of their own, and stand-ins for the hub and for pip. */
import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { once } from 'node:events'
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, afterEach } from 'node:test'
import { createLogger, GristmillError, systemClock, systemRandom } from '../base/index.ts'
import { freePort } from './free-port.ts'
import { type Home, openHome } from './home.ts'
import { type ModelStoreOptions, openModelStore } from './models.ts'

const root = mkdtempSync(join(tmpdir(), 'gristmill-models-'))
after(() => rmSync(root, { recursive: true }))

export const MODEL = Buffer.concat([Buffer.from('GGUF'), systemRandom.bytes(200_000)])
export const SHA256 = createHash('sha256').update(MODEL).digest('hex')
const UNREACHABLE = `http://127.0.0.1:${await freePort()}`

export const catalog = {
  name: 'small',
  file: 'Small.gguf',
  bytes: MODEL.length,
  sha256: SHA256,
  hub: 'owner/repository/Small.gguf@abc',
  wheel: { requirement: 'wheel-of-small==1.0', bytes: 200_000 },
}

export const open: { close(): unknown }[] = []
afterEach(() => {
  for (const one of open.splice(0)) one.close()
})

export async function openStore(more: Partial<ModelStoreOptions> = {}) {
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

export type Answer = (request: IncomingMessage, response: ServerResponse) => void

/** A hub; `storage` is the other site that it sends downloads to. */
export async function startHub(storage: Answer, stated = SHA256) {
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
export const serve =
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
export const serveModel = serve(MODEL)

/** Serves so many bytes of it first and hangs up once they have come, and all from then on. */
export function cutOnce(file: Buffer, bytes: number) {
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
export function fakePip(wheel: Buffer | undefined): string[][] {
  const folder = mkdtempSync(join(root, 'pip-'))
  const script = join(folder, 'pip')
  const fail = `echo 'ERROR: No matching distribution found for wheel-of-small==1.0' >&2; exit 1`
  const copy = `while [ "$1" != --dest ]; do shift; done; cp ${folder}/small.whl "$2/"`
  if (wheel) writeFileSync(join(folder, 'small.whl'), wheel)
  writeFileSync(script, `#!/bin/sh\n${wheel ? copy : fail}\n`)
  chmodSync(script, 0o755)
  return [[join(root, 'no-pip')], [script]]
}

export const refusedWith = (code: string, pattern: RegExp) => (error: unknown) => {
  assert.ok(error instanceof GristmillError, String(error))
  assert.equal(error.code, code)
  assert.match(error.message, pattern)
  return true
}
