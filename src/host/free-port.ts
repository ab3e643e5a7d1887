/** A TCP port that nobody listens on at the moment. */
import { once } from 'node:events'
import { type AddressInfo, createServer } from 'node:net'

/**
 * Asks the system for a free port. Somebody else may take it before it is used, so whoever can
 * should listen on port 0 itself instead.
 * @param host address to listen on
 */
export async function freePort(host = '127.0.0.1'): Promise<number> {
  const server = createServer()
  server.listen(0, host)
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  server.close()
  await once(server, 'close')
  return port
}
