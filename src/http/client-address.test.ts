import assert from 'node:assert/strict'
import type { IncomingMessage } from 'node:http'
import { describe, it } from 'node:test'
import { clientAddress } from './client-address.ts'

function request(remoteAddress: string, headers: Record<string, string> = {}): IncomingMessage {
  const socket = { remoteAddress, localAddress: '192.0.2.1' }
  return { socket, headers: { host: 'localhost:4400', ...headers } } as unknown as IncomingMessage
}

describe('the address of a client', () => {
  it('is that of its connection unless a trusted proxy forwards it', () => {
    const address = clientAddress(['10.0.0.0/8', '::1'])
    const forwarded = { 'x-forwarded-for': '203.0.113.5, 198.51.100.7, 10.1.1.1' }
    assert.equal(address.of(request('::ffff:192.0.2.9')), '192.0.2.9')
    assert.equal(address.of(request('192.0.2.9', forwarded)), '192.0.2.9')
    assert.equal(address.of(request('10.9.9.9', forwarded)), '198.51.100.7')
    assert.equal(address.of(request('::1', { 'x-forwarded-for': 'nonsense' })), '::1')
    assert.equal(clientAddress([]).of(request('127.0.0.1', forwarded)), '127.0.0.1')
  })

  it('is local only for a direct connection that names this machine', () => {
    const address = clientAddress([])
    assert.ok(address.isLocal(request('127.0.0.1')))
    assert.ok(address.isLocal(request('192.0.2.1', { host: '192.0.2.1:4400' })))
    assert.ok(!address.isLocal(request('192.0.2.2')))
    assert.ok(!address.isLocal(request('127.0.0.1', { 'x-forwarded-for': '127.0.0.1' })))
    assert.ok(!address.isLocal(request('127.0.0.1', { forwarded: 'for=127.0.0.1' })))
    assert.ok(!address.isLocal(request('127.0.0.1', { host: 'rebound.example' })))
  })

  it('cannot be configured with something that is none', () => {
    for (const wrong of ['proxy.local', '10.0.0.0/33', '10.0.0.0/x', '']) {
      assert.throws(() => clientAddress([wrong]), { code: 'invalid_config' })
    }
  })
})
