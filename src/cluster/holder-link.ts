/** The connection to the gateway that schedules, made anew until it stands. */
import type { Clock, Logger, Random } from '../base/index.ts'
import type { Down, Up } from './messages.ts'
import { callPeer } from './peer-call.ts'
import { PeerStream } from './peer-stream.ts'

const RETRY_MS = 200

export interface HolderLinkOptions {
  ownId: string
  /** Who schedules. */
  gatewayId: string
  url: string
  token: number
  keys: readonly Uint8Array[]
  clock: Clock
  random: Random
  logger: Logger
  /** The holder has welcomed us, and can be told things. */
  onUp: (tell: (message: Up) => void) => void
  onDown: () => void
  onMessage: (message: Down, ageMs: number) => void
}

export class HolderLink {
  readonly gatewayId: string
  readonly token: number
  readonly #options: HolderLinkOptions
  readonly #closing = new AbortController()
  #stream: PeerStream<Down, Up> | undefined
  #isUp = false
  #failure = ''

  constructor(options: HolderLinkOptions) {
    this.#options = options
    this.gatewayId = options.gatewayId
    this.token = options.token
    void this.#call()
  }

  get isUp(): boolean {
    return this.#isUp
  }

  close(): void {
    this.#closing.abort()
    this.#stream?.close('another gateway schedules')
  }

  async #call(): Promise<void> {
    const { ownId, gatewayId, url, keys, random, clock, logger } = this.#options
    const { signal } = this.#closing
    try {
      const socket = await callPeer({ ownId, gatewayId, url, keys, random, signal })
      if (signal.aborted) {
        socket.destroy()
        return
      }
      this.#stream = new PeerStream<Down, Up>(socket, {
        clock,
        onMessage: (message, ageMs) => this.#take(message, ageMs),
        onClose: (reason) => this.#closed(reason),
      })
    } catch (error) {
      if (signal.aborted) return
      const reason = (error as Error).message
      // Once for each reason: a wrong address or key is there to stay.
      const level = reason === this.#failure ? 'debug' : 'warn'
      this.#failure = reason
      logger[level]({ gatewayId, url, reason }, 'the gateway that schedules was not reached')
      this.#again()
    }
  }

  #take(message: Down, ageMs: number): void {
    const stream = this.#stream
    if (message[0] === 'welcome' && stream !== undefined) {
      this.#isUp = true
      this.#options.onUp((said) => stream.send(said))
    }
    this.#options.onMessage(message, ageMs)
  }

  #closed(reason: string): void {
    const { gatewayId, logger, onDown } = this.#options
    const wasUp = this.#isUp
    this.#isUp = false
    this.#stream = undefined
    if (wasUp) onDown()
    if (this.#closing.signal.aborted) return
    logger.info({ gatewayId, reason }, 'the connection to the holder was lost')
    this.#again()
  }

  #again(): void {
    this.#options.clock.after(RETRY_MS, () => {
      if (!this.#closing.signal.aborted) void this.#call()
    })
  }
}
