/**
 * Where webhooks and guards may go: public addresses over HTTPS, and what the operator has named.
 * The address is checked as the connection is made, so a name cannot change its meaning in between.
 */
import { type LookupAddress, lookup } from 'node:dns'
import { BlockList, isIP, type LookupFunction } from 'node:net'
import { GristmillError } from '../base/index.ts'

/** Looks a name up; `dns.lookup` but for tests. */
export type Resolve = (
  hostname: string,
  options: { all: true; family?: number },
  done: (error: NodeJS.ErrnoException | null, addresses: LookupAddress[]) => void,
) => void

/** IANA's special-purpose registry for IPv4: what is not an address on the Internet. */
const NOT_PUBLIC_V4: readonly [string, number][] = [
  ['0.0.0.0', 8],
  ['10.0.0.0', 8],
  ['100.64.0.0', 10],
  ['127.0.0.0', 8],
  ['169.254.0.0', 16],
  ['172.16.0.0', 12],
  ['192.0.0.0', 24],
  ['192.0.2.0', 24],
  ['192.88.99.0', 24],
  ['192.168.0.0', 16],
  ['198.18.0.0', 15],
  ['198.51.100.0', 24],
  ['203.0.113.0', 24],
  ['224.0.0.0', 3],
]
/** Within 2000::/3, which holds all public addresses: tunnels to IPv4, and documentation. */
const NOT_PUBLIC_V6: readonly [string, number][] = [
  ['2001::', 23],
  ['2001:db8::', 32],
  ['2002::', 16],
  ['3fff::', 20],
]

const familyOf = (address: string) => (isIP(address) === 6 ? 'ipv6' : 'ipv4')

const refused = (reason: string) => new GristmillError('invalid_value', { param: 'url', reason })

export class OutboundAddresses {
  readonly #allowed = new BlockList()
  readonly #notPublic = new BlockList()
  readonly #publicV6 = new BlockList()
  /** True where some address may be reached without HTTPS. */
  readonly #allowsPlain: boolean
  readonly #resolve: Resolve

  /**
   * @param allowed addresses or CIDR ranges that may be reached though they are not public; also
   *   without HTTPS
   * @throws GristmillError `invalid_config` naming what is not one
   */
  constructor(allowed: readonly string[], resolve: Resolve = lookup) {
    this.#resolve = resolve
    this.#allowsPlain = allowed.length > 0
    for (const [address, bits] of [...NOT_PUBLIC_V4, ...NOT_PUBLIC_V6]) {
      this.#notPublic.addSubnet(address, bits, familyOf(address))
    }
    this.#publicV6.addSubnet('2000::', 3, 'ipv6')
    for (const entry of allowed) this.#allow(entry)
  }

  /**
   * What can be said of a URL without looking its name up.
   * @throws GristmillError `invalid_value`
   */
  check(text: string): URL {
    if (!URL.canParse(text)) throw refused('it is not a URL')
    const url = new URL(text)
    const isPlain = url.protocol === 'http:' && this.#allowsPlain
    if (url.protocol !== 'https:' && !isPlain) throw refused('HTTPS is needed')
    if (url.username !== '' || url.password !== '') throw refused('it may not hold a password')
    const host = url.hostname.replace(/^\[|\]$/g, '')
    if (isIP(host) !== 0) this.#checkAddress(host, url)
    return url
  }

  /** For one connection to a URL: addresses of its name, or an error where one is not allowed. */
  lookupFor(url: URL): LookupFunction {
    return (hostname, options, done) => {
      const family = typeof options.family === 'number' ? { family: options.family } : {}
      this.#resolve(hostname, { ...family, all: true }, (error, addresses) => {
        const [first] = addresses ?? []
        if (error || !first) return done(error ?? new Error('no address'), '', 4)
        try {
          for (const { address } of addresses) this.#checkAddress(address, url)
        } catch (refusal) {
          return done(refusal as Error, '', 4)
        }
        if (options.all) done(null, addresses)
        else done(null, first.address, first.family)
      })
    }
  }

  #checkAddress(address: string, { protocol, hostname }: URL): void {
    if (this.#allowed.check(address, familyOf(address))) return
    if (protocol !== 'https:') throw refused('HTTPS is needed')
    const isPublic =
      !this.#notPublic.check(address, familyOf(address)) &&
      (isIP(address) === 4 || this.#publicV6.check(address, 'ipv6'))
    // Not which address: whoever chose the name would learn those inside from it.
    if (!isPublic) throw refused(`${hostname} is not a public address`)
  }

  #allow(entry: string): void {
    const [address = '', bits] = entry.split('/')
    const bitsMax = isIP(address) === 6 ? 128 : 32
    const size = bits === undefined ? bitsMax : Number(bits)
    if (isIP(address) === 0 || !Number.isInteger(size) || size < 0 || size > bitsMax) {
      const reason = `GRISTMILL_WEBHOOK_TARGETS: ${entry} is neither an address nor a CIDR range`
      throw new GristmillError('invalid_config', { reason })
    }
    this.#allowed.addSubnet(address, size, familyOf(address))
  }
}
