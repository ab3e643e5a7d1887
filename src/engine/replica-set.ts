/**
 * The addresses behind one name, such as that of a headless service of Kubernetes: asked for again
 * and again, each with a number that it keeps. A lookup that fails changes nothing.
 */
import { lookup } from 'node:dns/promises'
import type { Clock, Logger, Timer } from '../base/index.ts'

const PERIOD_MS = 10_000
const REPLICAS_MAX = 64

/** All addresses of a host. @throws Error where there are none, or nobody can be asked */
export type Resolve = (host: string) => Promise<string[]>

/** As the system does it: its files, its search domains, its name servers. */
export const resolveHost: Resolve = async (host) => {
  const found = await lookup(host, { all: true })
  return found.map(({ address }) => address)
}

/** What is done about an address. */
export interface ReplicaOwner {
  /** It appeared. */
  added(number: number, address: string): void
  /** It disappeared, or has not come back since. @returns true once nothing of it is left */
  gone(number: number): boolean
  /** It is there again before all of it had left. */
  back(number: number): void
}

export interface ReplicaSetOptions {
  host: string
  resolve: Resolve
  clock: Clock
  logger: Logger
}

export class ReplicaSet {
  readonly #options: ReplicaSetOptions
  readonly #owner: ReplicaOwner
  readonly #replicas = new Map<string, { number: number; isLeaving: boolean }>()
  #timer: Timer | undefined
  #isClosed = false

  constructor(options: ReplicaSetOptions, owner: ReplicaOwner) {
    this.#options = options
    this.#owner = owner
  }

  /** Looks now, then every ten seconds. Resolves after the first look. */
  async start(): Promise<void> {
    const { host, resolve, logger, clock } = this.#options
    try {
      const found = await resolve(host)
      if (!this.#isClosed && found.length > 0) this.#follow([...new Set(found)].sort())
    } catch (error) {
      logger.warn({ host, error: (error as Error).message }, 'the addresses of a name are unknown')
    }
    if (!this.#isClosed) this.#timer = clock.after(PERIOD_MS, () => void this.start())
  }

  get size(): number {
    return this.#replicas.size
  }

  close(): void {
    this.#isClosed = true
    this.#timer?.cancel()
  }

  #follow(addresses: readonly string[]): void {
    for (const [address, replica] of this.#replicas) {
      const isThere = addresses.includes(address)
      if (isThere && replica.isLeaving) this.#owner.back(replica.number)
      replica.isLeaving = !isThere
      if (!isThere && this.#owner.gone(replica.number)) this.#replicas.delete(address)
    }
    for (const address of addresses) {
      if (this.#replicas.has(address) || this.#replicas.size >= REPLICAS_MAX) continue
      const number = this.#lowestFree()
      this.#replicas.set(address, { number, isLeaving: false })
      this.#owner.added(number, address)
    }
  }

  /** A new address takes the number of one that has left, and with it what was measured there. */
  #lowestFree(): number {
    const taken = new Set([...this.#replicas.values()].map(({ number }) => number))
    let number = 1
    while (taken.has(number)) number++
    return number
  }
}
