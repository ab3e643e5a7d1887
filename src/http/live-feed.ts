/**
 * The mill floor pushed to everybody who watches, four times a second: computed once, encoded once
 * per audience, and dropped for whoever reads too slowly. Knows connections, not permissions.
 */
import type { ServerResponse } from 'node:http'
import { type Clock, GristmillError, type Logger, type Timer } from '../base/index.ts'
import type { FloorView } from './contract.ts'
import { filterFloor } from './floor-filter.ts'

/** What a watcher may see: everything, or the names of some tenants only. */
export type Audience = 'everything' | readonly string[]

interface Watcher {
  response: ServerResponse
  audience: Audience
  /** Monotonic milliseconds when it last took a frame. */
  tookAtMs: number
  /** When to ask again whether it may still watch. */
  askAtMs: number
  /** The audience as of now, or null where it may no longer watch. */
  ask: () => Promise<Audience | null>
}

export interface LiveFeedOptions {
  floor: () => FloorView
  clock: Clock
  logger: Logger
}

const PERIOD_MS = 250
const ASK_EVERY_MS = 10_000
const STUCK_MS = 30_000
const WATCHERS_MAX = 500

export class LiveFeed {
  readonly #options: LiveFeedOptions
  readonly #watchers = new Set<Watcher>()
  #timer: Timer | undefined

  constructor(options: LiveFeedOptions) {
    this.#options = options
  }

  get watching(): number {
    return this.#watchers.size
  }

  /**
   * Streams to a response until it closes or may no longer watch.
   * @throws GristmillError `too_many_streams`
   */
  add(response: ServerResponse, audience: Audience, ask: Watcher['ask']): void {
    // Whoever has gone already will not go again.
    if (response.closed) return
    if (this.#watchers.size >= WATCHERS_MAX) {
      const details = { streamsMax: WATCHERS_MAX }
      throw new GristmillError('too_many_streams', details, { retryAfterMs: 10_000 })
    }
    const { clock } = this.#options
    const nowMs = clock.monotonicMs()
    const watcher = { response, audience, tookAtMs: nowMs, askAtMs: nowMs + ASK_EVERY_MS, ask }
    response.writeHead(200, {
      'content-type': 'text/event-stream',
      'cache-control': 'no-store',
      'x-accel-buffering': 'no',
    })
    response.write('retry: 1000\n\n')
    response.on('close', () => this.#remove(watcher))
    this.#watchers.add(watcher)
    this.#timer ??= clock.every(PERIOD_MS, () => this.#push([...this.#watchers]))
    this.#push([watcher])
  }

  /** Ends every stream. */
  close(): void {
    for (const watcher of this.#watchers) watcher.response.end()
    this.#watchers.clear()
    this.#stopWhenAlone()
  }

  #push(watchers: Watcher[]): void {
    const floor = this.#read()
    if (floor === null) return
    const frames = new Map<string, Buffer>()
    const nowMs = this.#options.clock.monotonicMs()
    for (const watcher of watchers) {
      if (nowMs >= watcher.askAtMs) this.#askAgain(watcher, nowMs)
      const { response, audience } = watcher
      if (response.writableNeedDrain) {
        if (nowMs - watcher.tookAtMs > STUCK_MS) response.destroy()
        continue
      }
      const key = audience === 'everything' ? '' : [...audience].sort().join(' ')
      let frame = frames.get(`${typeof audience} ${key}`)
      if (!frame) {
        frame = frameOf(audience === 'everything' ? floor : filterFloor(floor, new Set(audience)))
        frames.set(`${typeof audience} ${key}`, frame)
      }
      response.write(frame)
      watcher.tookAtMs = nowMs
    }
  }

  #read(): FloorView | null {
    try {
      return this.#options.floor()
    } catch (error) {
      this.#options.logger.error({ err: error }, 'the mill floor could not be computed')
      return null
    }
  }

  #askAgain(watcher: Watcher, nowMs: number): void {
    watcher.askAtMs = nowMs + ASK_EVERY_MS
    watcher.ask().then(
      (audience) => {
        if (audience === null) this.#end(watcher)
        else watcher.audience = audience
      },
      // The database is away: what was allowed goes on, since nothing could have changed it.
      (error: unknown) => this.#options.logger.debug({ err: error }, 'a watcher was not checked'),
    )
  }

  /** Somebody who does not read keeps it open, and what is written after its end brings us down. */
  #end(watcher: Watcher): void {
    this.#remove(watcher)
    watcher.response.end()
  }

  #remove(watcher: Watcher): void {
    this.#watchers.delete(watcher)
    this.#stopWhenAlone()
  }

  #stopWhenAlone(): void {
    if (this.#watchers.size > 0) return
    this.#timer?.cancel()
    this.#timer = undefined
  }
}

const frameOf = (floor: FloorView) =>
  Buffer.from(`event: floor\ndata: ${JSON.stringify(floor)}\n\n`)
