/** Where a request comes from: an address, seen through trusted proxies, or this machine itself. */
import type { IncomingMessage } from 'node:http'
import { BlockList, isIP } from 'node:net'
import { GristmillError } from '../base/index.ts'

export interface ClientAddress {
  /** Address of the client; that of the nearest proxy that is not trusted. */
  of(request: IncomingMessage): string
  /** True for a connection from this machine that no proxy forwards for somebody else. */
  isLocal(request: IncomingMessage): boolean
}

const FORWARDING_HEADERS = ['x-forwarded-for', 'x-forwarded-host', 'x-real-ip', 'forwarded', 'via']

/**
 * @param trustedProxies addresses or CIDR ranges
 * @throws GristmillError `invalid_config` naming what is not one
 */
export function clientAddress(trustedProxies: readonly string[]): ClientAddress {
  const trusted = new BlockList()
  for (const entry of trustedProxies) addTo(trusted, entry)
  const isTrusted = (address: string) =>
    isIP(address) !== 0 && trusted.check(address, isIP(address) === 6 ? 'ipv6' : 'ipv4')
  return {
    of(request) {
      const peer = plain(request.socket.remoteAddress)
      if (trustedProxies.length === 0 || !isTrusted(peer)) return peer
      const header = request.headers['x-forwarded-for']
      const chain = String(header ?? '').split(',')
      const hops = chain.map((hop) => plain(hop.trim())).filter((hop) => isIP(hop) !== 0)
      return hops.findLast((hop) => !isTrusted(hop)) ?? hops[0] ?? peer
    },
    isLocal(request) {
      const { remoteAddress, localAddress } = request.socket
      const [peer, own] = [plain(remoteAddress), plain(localAddress)]
      if (!isLoopback(peer) && peer !== own) return false
      if (FORWARDING_HEADERS.some((name) => request.headers[name] !== undefined)) return false
      const host = String(request.headers.host ?? '').replace(/:\d+$/, '')
      return isLoopbackName(host) || host === own || host === `[${own}]`
    },
  }
}

/** An IPv4 address that arrived on an IPv6 socket, as IPv4. */
const plain = (address: string | undefined) => (address ?? 'unknown').replace(/^::ffff:/i, '')

const isLoopback = (address: string) => address === '::1' || address.startsWith('127.')

/** A page of another site can make its own name point to this machine, but not send these. */
const isLoopbackName = (name: string) =>
  name === 'localhost' || name === '[::1]' || isLoopback(name)

function addTo(list: BlockList, entry: string): void {
  const [address = '', prefix] = entry.split('/')
  const family = isIP(address)
  const bits = prefix === undefined ? undefined : Number(prefix)
  const bitsMax = family === 6 ? 128 : 32
  const isRange = bits !== undefined && Number.isInteger(bits) && bits >= 0 && bits <= bitsMax
  if (family === 0 || (bits !== undefined && !isRange)) {
    const reason = `GRISTMILL_TRUSTED_PROXIES: ${entry} is not an address or a range`
    throw new GristmillError('invalid_config', { reason })
  }
  const type = family === 6 ? 'ipv6' : 'ipv4'
  if (bits === undefined) list.addAddress(address, type)
  else list.addSubnet(address, bits, type)
}
