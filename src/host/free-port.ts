/** TCP ports of this machine: one that nobody listens on, and whether a given one is such. */
import { once } from 'node:events'
import { type AddressInfo, createServer } from 'node:net'
import { GristmillError } from '../base/index.ts'

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

/**
 * Looks whether a port can be listened on, so that a start that cannot succeed ends at once.
 * @param port 0 is always free
 * @throws GristmillError `port_in_use`, `invalid_config` where the address is not one of ours
 */
export async function checkPort(host: string, port: number): Promise<void> {
  const server = createServer()
  server.listen(port, host)
  try {
    await once(server, 'listening')
  } catch (error) {
    throw listenError(error, host, port)
  }
  server.close()
  await once(server, 'close')
}

function listenError(error: unknown, host: string, port: number): unknown {
  const { code = '' } = error as NodeJS.ErrnoException
  const invalid = (variable: string, reason: string) =>
    new GristmillError('invalid_config', { reason: `${variable}: ${reason}` }, { cause: error })
  if (code === 'EADDRINUSE')
    return new GristmillError('port_in_use', { host, port }, { cause: error })
  if (code === 'EACCES') return invalid('GRISTMILL_PORT', `this user may not listen on ${port}`)
  if (['EADDRNOTAVAIL', 'ENOTFOUND', 'EAI_AGAIN', 'EINVAL'].includes(code)) {
    return invalid('GRISTMILL_HOST', `${host} is no address of this machine`)
  }
  return error
}
