import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { promisify } from 'node:util'
import { OutboundAddresses, type Resolve } from './outbound-addresses.ts'

const resolveTo =
  (...addresses: string[]): Resolve =>
  (_hostname, _options, done) =>
    done(
      null,
      addresses.map((address) => ({ address, family: address.includes(':') ? 6 : 4 })),
    )

/** Whether a URL may be told where its name resolves to these addresses. */
async function isTold(targets: OutboundAddresses, text: string): Promise<boolean> {
  try {
    const url = targets.check(text)
    await promisify(targets.lookupFor(url))(url.hostname, {})
    return true
  } catch (error) {
    assert.equal((error as { code?: string }).code, 'invalid_value')
    return false
  }
}

const refused = [
  '127.0.0.1',
  '10.1.2.3',
  '169.254.169.254',
  '172.31.0.1',
  '192.168.1.1',
  '100.64.0.1',
  '0.0.0.0',
  '224.0.0.1',
  '255.255.255.255',
  '::1',
  '::',
  'fe80::1',
  'fc00::1',
  '::ffff:127.0.0.1',
  '::ffff:8.8.8.8',
  '64:ff9b::7f00:1',
  '2002:7f00:1::',
  '2001:db8::1',
]

describe('where a webhook may go', () => {
  it('is any public address over HTTPS', async () => {
    for (const address of ['8.8.8.8', '2606:4700::1111']) {
      const targets = new OutboundAddresses([], resolveTo(address))
      assert.ok(await isTold(targets, 'https://hooks.example.org/batch'), address)
      assert.ok(!(await isTold(targets, 'http://hooks.example.org/batch')), address)
    }
  })

  it('is no private, local or special address, named or looked up', async () => {
    for (const address of refused) {
      const targets = new OutboundAddresses([], resolveTo(address))
      assert.ok(!(await isTold(targets, 'https://hooks.example.org/')), address)
      const literal = address.includes(':') ? `[${address}]` : address
      assert.throws(() => new OutboundAddresses([]).check(`https://${literal}/`), {
        code: 'invalid_value',
      })
    }
  })

  it('is no name that has one such address among others', async () => {
    const targets = new OutboundAddresses([], resolveTo('8.8.8.8', '10.0.0.1'))
    assert.ok(!(await isTold(targets, 'https://hooks.example.org/')))
  })

  it('does not tell which address a name has that is refused', async () => {
    const targets = new OutboundAddresses([], resolveTo('10.0.0.1'))
    const url = targets.check('https://hooks.example.org/')
    await assert.rejects(promisify(targets.lookupFor(url))(url.hostname, {}), (error: Error) => {
      assert.match(error.message, /hooks\.example\.org is not a public address/)
      return !error.message.includes('10.0.0.1')
    })
  })

  it('is what the operator has named, also without HTTPS, and nothing beside it', async () => {
    const targets = new OutboundAddresses(['10.1.0.0/16', 'fd00::/8'], resolveTo('10.1.9.9'))
    assert.ok(await isTold(targets, 'http://hooks.internal:8080/'))
    assert.equal(targets.check('http://[fd00::1]/').hostname, '[fd00::1]')
    assert.throws(() => targets.check('http://10.2.0.1/'), { code: 'invalid_value' })
  })

  it('is written as a URL of HTTPS without a password', () => {
    const targets = new OutboundAddresses([])
    const plain = ['nowhere', 'ftp://example.org/', 'http://example.org/']
    for (const url of [...plain, 'https://me:secret@example.org/']) {
      assert.throws(() => targets.check(url), { code: 'invalid_value' })
    }
  })

  it('says which of the operator’s ranges is none', () => {
    for (const entry of ['localhost', '10.0.0.0/33', '10.0.0.0/x']) {
      assert.throws(() => new OutboundAddresses([entry]), { code: 'invalid_config' })
    }
  })
})
