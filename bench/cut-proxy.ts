/**
 * A network that can be cut: passes connections on, and while it is cut nothing gets through and
 * nobody is told, as behind a switch that has failed. What was on its way arrives afterwards.
 */
import { type AddressInfo, createServer, type Socket } from 'node:net'

export interface CutProxy {
  port: number
  /** Cuts what `isCut` says, of connections that are there and of new ones. */
  apply(): void
  /** Ends every connection, as a server does that is killed. */
  breakAll(): void
  close(): Promise<void>
}

interface Pair {
  client: Socket
  server: Socket
  /** The gateway that has called, where it says so in its first words. */
  caller: string | undefined
  isCut: () => boolean
}

/**
 * @param open where connections go now; undefined while nobody listens there
 * @param isCut whether nothing gets through at the moment, for what a caller says of itself
 */
export async function startCutProxy(
  open: () => Socket | undefined,
  isCut: (caller: string | undefined) => boolean,
): Promise<CutProxy> {
  const pairs = new Set<Pair>()
  const heed = ({ client, server, caller }: Pair) => {
    const cut = isCut(caller)
    for (const socket of [client, server]) {
      if (cut) socket.pause()
      else socket.resume()
    }
  }
  const listener = createServer((client) => {
    const server = open()
    if (server === undefined) {
      client.destroy()
      return
    }
    const pair: Pair = { client, server, caller: undefined, isCut: () => isCut(pair.caller) }
    pairs.add(pair)
    join(pair, () => pairs.delete(pair))
    heed(pair)
  })
  const breakAll = () => {
    for (const { client, server } of pairs) {
      client.destroy()
      server.destroy()
    }
  }
  await new Promise<void>((resolve) => listener.listen(0, '127.0.0.1', resolve))
  return {
    port: (listener.address() as AddressInfo).port,
    apply: () => {
      for (const pair of pairs) heed(pair)
    },
    breakAll,
    close: async () => {
      breakAll()
      await new Promise<void>((resolve) => listener.close(() => resolve()))
    },
  }
}

function join(pair: Pair, gone: () => void): void {
  const { client, server } = pair
  client.on('data', (bytes: Buffer) => {
    pair.caller ??= /x-gristmill-gateway: (\S+)/.exec(bytes.toString('latin1'))?.[1]
    if (pair.isCut()) {
      client.pause()
      client.unshift(bytes)
    } else server.write(bytes)
  })
  server.on('data', (bytes: Buffer) => client.write(bytes))
  for (const [one, other] of [
    [client, server],
    [server, client],
  ] as const) {
    one.setNoDelay(true)
    one.on('error', () => other.destroy())
    one.on('close', () => {
      gone()
      other.destroy()
    })
  }
}
