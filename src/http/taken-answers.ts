/**
 * Which connections may be closed at a shutdown. Node takes one for idle as soon as its answer has
 * ended, also where the client has not taken all of it yet, and drops the rest.
 */
import type { Server } from 'node:http'
import type { Socket } from 'node:net'

/** From now on `closeIdleConnections`, which `close` calls as well, leaves such answers time. */
export function keepUntilTaken(server: Server): void {
  /** Answers by connection that are not handed to the system whole. */
  const answers = new Map<Socket, number>()
  const forget = (socket: Socket) => answers.delete(socket)
  server.on('connection', (socket) => {
    answers.set(socket, 0)
    socket.once('close', () => forget(socket))
  })
  server.on('upgrade', (_request, socket) => forget(socket as Socket))
  server.prependListener('request', ({ socket }, response) => {
    const count = (by: number) => {
      const known = answers.get(socket)
      if (known !== undefined) answers.set(socket, known + by)
    }
    count(1)
    response.once('close', () => count(-1))
  })
  server.closeIdleConnections = () => {
    for (const [socket, count] of answers) if (count === 0) socket.destroy()
  }
}
