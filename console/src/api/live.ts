/** The live feed of the mill floor: one event stream for the whole page, and what is known of it. */
import { useSyncExternalStore } from 'react'
import type { FloorView } from './contract.ts'

export type FeedState =
  | { kind: 'connecting' }
  | { kind: 'live' }
  /** `retryAtMs` null while an attempt is under way. */
  | { kind: 'lost'; sinceMs: number; retryAtMs: number | null }

export interface Feed {
  state: FeedState
  floor: FloorView | null
}

/** Four pushes a second are expected; this long without one means that the line is dead. */
const SILENCE_MS = 5000
const RETRY_MS = [1000, 2000, 4000, 8000] as const
/** What people read, as opposed to watch, changes at most this often. */
const CALM_MS = 1000

/** Connects while somebody listens; every change of connection is told at once. */
export class LiveFeed {
  #path: string
  #source: EventSource | null = null
  #feed: Feed = { state: { kind: 'connecting' }, floor: null }
  #calm: Feed = this.#feed
  #calmAtMs = 0
  #listeners = new Set<() => void>()
  #timer: ReturnType<typeof setTimeout> | undefined
  #attempts = 0
  #lastEventMs = 0

  constructor(path: string) {
    this.#path = path
  }

  subscribe = (listener: () => void): (() => void) => {
    this.#listeners.add(listener)
    if (this.#listeners.size === 1) this.#open()
    return () => {
      this.#listeners.delete(listener)
      if (this.#listeners.size === 0) this.#close()
    }
  }

  /** The newest floor, four times a second. */
  latest = (): Feed => this.#feed

  /** The same, at most once a second. */
  calm = (): Feed => this.#calm

  retryNow = (): void => {
    if (this.#feed.state.kind === 'lost') this.#open()
  }

  #open(): void {
    this.#source?.close()
    clearTimeout(this.#timer)
    const { state } = this.#feed
    if (state.kind === 'lost') this.#set({ ...state, retryAtMs: null })
    const source = new EventSource(this.#path)
    this.#source = source
    source.addEventListener('floor', (event) => this.#receive(event as MessageEvent<string>))
    source.addEventListener('error', () => this.#lose())
    this.#watch()
  }

  #receive(event: MessageEvent<string>): void {
    const floor = JSON.parse(event.data) as FloorView
    const now = Date.now()
    this.#attempts = 0
    this.#lastEventMs = now
    const wasLive = this.#feed.state.kind === 'live'
    this.#feed = { state: wasLive ? this.#feed.state : { kind: 'live' }, floor }
    if (!wasLive || now - this.#calmAtMs >= CALM_MS - 50) {
      this.#calm = this.#feed
      this.#calmAtMs = now
    }
    this.#tell()
  }

  /** Silence is a loss too: a dead line may never report an error. */
  #watch(): void {
    clearTimeout(this.#timer)
    this.#timer = setTimeout(() => {
      const isSilent = Date.now() - this.#lastEventMs > SILENCE_MS
      if (isSilent) this.#lose()
      else this.#watch()
    }, SILENCE_MS)
  }

  #lose(): void {
    this.#source?.close()
    this.#source = null
    const delay = RETRY_MS[Math.min(this.#attempts, RETRY_MS.length - 1)] ?? CALM_MS
    this.#attempts += 1
    const now = Date.now()
    const { state } = this.#feed
    const sinceMs = state.kind === 'lost' ? state.sinceMs : this.#lastEventMs || now
    this.#set({ kind: 'lost', sinceMs, retryAtMs: now + delay })
    clearTimeout(this.#timer)
    this.#timer = setTimeout(() => this.#open(), delay)
  }

  #close(): void {
    this.#source?.close()
    this.#source = null
    clearTimeout(this.#timer)
    this.#feed = { state: { kind: 'connecting' }, floor: this.#feed.floor }
    this.#calm = this.#feed
  }

  #set(state: FeedState): void {
    this.#feed = { state, floor: this.#feed.floor }
    this.#calm = this.#feed
    this.#tell()
  }

  #tell(): void {
    for (const listener of this.#listeners) listener()
  }
}

const feed = new LiveFeed('/api/live')

export const retryLive = feed.retryNow

/** Every push: only for what moves. */
export function useLiveFeed(): Feed {
  return useSyncExternalStore(feed.subscribe, feed.latest)
}

/** Once a second: for what is read. */
export function useCalmFeed(): Feed {
  return useSyncExternalStore(feed.subscribe, feed.calm)
}
