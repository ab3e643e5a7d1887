/**
 * Kept connections to one engine. Each knows whether it has answered before: only then may a
 * request that died on it without a byte be sent again, because the engine had closed it already.
 */
import { Client, type Dispatcher, Pool } from 'undici'

const CONNECT_MS_MAX = 3000

/** A handler that wants to know on which connection its request went out. */
export interface ConnectionUser extends Dispatcher.DispatchHandler {
  connection: Connection | undefined
}

export class Connection extends Client {
  /** Answers that came whole over the present socket. */
  answered = 0

  constructor(origin: string | URL, options: Client.Options) {
    super(origin, options)
    this.on('connect', () => {
      this.answered = 0
    })
  }

  override dispatch(
    options: Dispatcher.DispatchOptions,
    handler: Dispatcher.DispatchHandler,
  ): boolean {
    if ('connection' in handler) (handler as ConnectionUser).connection = this
    return super.dispatch(options, handler)
  }
}

/**
 * As many connections as there are calls at once, which the scheduler bounds. Its own time limits
 * are off: the engine's are swept in one place instead of a timer per call.
 * @param serverName asked for and expected in TLS, where `origin` has an address in its place
 */
export function openConnections(origin: string, serverName?: string): Pool {
  return new Pool(origin, {
    factory: (url, options) => new Connection(url, options as Client.Options),
    connect: { timeout: CONNECT_MS_MAX, ...(serverName && { servername: serverName }) },
    allowH2: false,
    headersTimeout: 0,
    bodyTimeout: 0,
  })
}
