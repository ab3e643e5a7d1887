import assert from 'node:assert/strict'
import { mkdirSync, writeFileSync } from 'node:fs'
import { request } from 'node:http'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { gunzipSync } from 'node:zlib'
import { openTestServer, type TestServer } from './test-server.ts'

let server: TestServer
const script = `console.log(${'1 + '.repeat(1000)} 1)`

before(async () => {
  server = await openTestServer()
})
after(() => server.close())

function build(): void {
  mkdirSync(join(server.consoleFolder, 'assets'), { recursive: true })
  writeFileSync(join(server.consoleFolder, 'assets', 'app-1a2b.js'), script)
  writeFileSync(join(server.consoleFolder, 'index.html'), '<!doctype html><title>Mill</title>')
}

/** Sends a path as it is; `fetch` would tidy it up first. */
function raw(path: string, headers = {}): Promise<{ status: number; body: Buffer; head: object }> {
  const { port } = new URL(server.url)
  return new Promise((resolve, reject) => {
    const sent = request({ port, host: '127.0.0.1', path, headers }, (response) => {
      const parts: Buffer[] = []
      response.on('data', (part: Buffer) => parts.push(part))
      response.on('end', () => {
        const { statusCode: status = 0, headers: head } = response
        resolve({ status, body: Buffer.concat(parts), head })
      })
    })
    sent.on('error', reject)
    sent.end()
  })
}

describe('the console’s files', () => {
  it('are explained while the console is not built, and served once it is', async () => {
    const missing = await server.ask('GET', '/')
    assert.equal(missing.status, 503)
    assert.match(missing.text, /has not been built/)
    assert.equal((await server.ask('HEAD', '/')).status, 200, 'which is how programs look for us')
    build()
    const page = await server.ask('GET', '/')
    assert.equal(page.status, 200)
    assert.match(page.text, /Mill/)
    assert.equal(page.headers.get('cache-control'), 'no-cache')
  })

  it('are not what a client gets whose base URL is wrong', async () => {
    build()
    const wrong = ['/chat/completions', '//v1/chat/completions', '/embeddings', '/v1', '/v1?x=1']
    const json = { accept: 'application/json' }
    for (const path of wrong) {
      const { status, body } = await raw(path)
      assert.equal(status, 404, path)
      assert.match(body.toString(), /below \/v1/)
    }
    assert.equal((await raw('/models', json)).status, 404)
    assert.equal((await raw('/models', { accept: 'text/html' })).status, 200)
    const post = await server.ask('POST', '/chat/completions')
    assert.equal(post.status, 404)
  })

  it('answer every client route with the page, and missing assets with 404', async () => {
    build()
    for (const path of ['/tenants', '/tenants/ten_1?tab=keys', '/first-run?token=x']) {
      assert.match((await server.ask('GET', path)).text, /Mill/)
    }
    assert.equal((await server.ask('GET', '/assets/gone-1234.js')).status, 404)
    assert.equal((await server.ask('GET', '/favicon.ico')).status, 404)
    const post = await server.ask('POST', '/tenants')
    assert.equal(post.status, 405)
  })

  it('are compressed, cached for ever where the name carries a hash, and revalidated', async () => {
    build()
    const { body, head } = await raw('/assets/app-1a2b.js', { 'accept-encoding': 'br, gzip' })
    assert.equal(String(gunzipSync(body)), script)
    const headers = head as Record<string, string>
    assert.match(headers['cache-control'] ?? '', /immutable/)
    const again = await raw('/assets/app-1a2b.js', { 'if-none-match': headers.etag })
    assert.equal(again.status, 304)
    assert.equal(again.body.length, 0)
  })

  it('forbid inline scripts, framing and guessing of types', async () => {
    build()
    const { headers } = await server.ask('GET', '/')
    const policy = headers.get('content-security-policy') ?? ''
    assert.match(policy, /script-src 'self'/)
    assert.ok(!policy.includes('unsafe'))
    assert.match(policy, /frame-ancestors 'none'/)
    assert.equal(headers.get('x-content-type-options'), 'nosniff')
  })

  it('cannot be left by any path', async () => {
    build()
    writeFileSync(join(server.consoleFolder, '..', 'gristmill-secret.txt'), 'pssst')
    const attempts = [
      '/../gristmill-secret.txt',
      '/assets/../../gristmill-secret.txt',
      '/%2e%2e/gristmill-secret.txt',
      '/assets/%2e%2e%2f%2e%2e%2fgristmill-secret.txt',
      '/..%5cgristmill-secret.txt',
      '//etc/passwd',
      '/assets/%00',
      '/%',
    ]
    for (const path of attempts) {
      const { status, body } = await raw(path)
      assert.ok(!String(body).includes('pssst') && !String(body).includes('root:'), path)
      assert.ok(status === 404 || status === 200, `${path} ${status}`)
    }
  })
})
