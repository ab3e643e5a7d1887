/**
 * One connection kept open for what belongs to a session (LISTEN, advisory locks). It is asked
 * for a sign of life every beat; when that fails to come, or the connection drops, the session is
 * down and made anew.
 */
import type { Clock } from '../base/index.ts'
import { type Connected, connect, type Sql } from './connection.ts'

export interface SessionOptions {
  url: string
  name: string
  clock: Clock
  /** Runs on each new connection before the session counts as up; throwing makes it try again. */
  prepare: (sql: Sql) => Promise<void>
  onUp?: () => void
  /** `reason` is what broke the session or kept it from being made. */
  onDown?: (reason: unknown) => void
  onNotify?: (channel: string, payload: string) => void
  /** Called once a server has been silent for `cutMs`; connections beside this one hang too. */
  onSilent?: () => void
  beatMs?: number
  cutMs?: number
}

const RETRY_MS = 250

export class Session {
  readonly #options: SessionOptions
  readonly #beatMs: number
  readonly #cutMs: number
  #connected: Connected | undefined
  #up = false
  readonly #closing = new AbortController()
  #askedAtMs: number | undefined

  constructor(options: SessionOptions) {
    this.#options = options
    this.#beatMs = options.beatMs ?? 500
    this.#cutMs = options.cutMs ?? 10_000
  }

  /** Makes the first connection. Throws what prevents it; from then on the session heals itself. */
  async open(): Promise<void> {
    await this.#connect()
    void this.#keep()
  }

  isUp(): boolean {
    return this.#up
  }

  /** The connection, while the session is up. */
  sql(): Sql | undefined {
    return this.#up ? this.#connected?.sql : undefined
  }

  /** Drops the connection, to be made anew. */
  fail(reason: unknown): void {
    if (this.#connected) this.#lose(this.#connected, reason)
  }

  async close(): Promise<void> {
    this.#closing.abort()
    this.#up = false
    await this.#connected?.sql.end({ timeout: 1 })
  }

  async #connect(): Promise<void> {
    const { url, name, prepare, onNotify, onUp } = this.#options
    const connected = connect(url, {
      connections: 1,
      name,
      statementMsMax: 5000,
      keep: true,
      ...(onNotify && { onNotify }),
      onClose: () => this.#lose(connected, new Error('the connection was closed')),
    })
    this.#connected = connected
    try {
      await prepare(connected.sql)
    } catch (error) {
      this.#drop(connected)
      throw error
    }
    this.#askedAtMs = undefined
    if (this.#isClosed()) {
      this.#drop(connected)
      return
    }
    this.#up = true
    onUp?.()
  }

  async #keep(): Promise<void> {
    const { clock, onDown } = this.#options
    for (;;) {
      const pauseMs = this.#connected ? this.#beatMs : RETRY_MS
      await clock.sleep(pauseMs, this.#closing.signal).catch(ignoreAbort)
      if (this.#isClosed()) return
      if (this.#connected) this.#beat(this.#connected)
      else await this.#connect().catch((error: unknown) => onDown?.(error))
    }
  }

  #isClosed(): boolean {
    return this.#closing.signal.aborted
  }

  #beat(connected: Connected): void {
    const { clock, onDown, onSilent } = this.#options
    const nowMs = clock.monotonicMs()
    if (this.#askedAtMs !== undefined) {
      if (this.#up) {
        this.#up = false
        onDown?.(new Error('the server does not answer'))
      }
      if (nowMs - this.#askedAtMs < this.#cutMs) return
      onSilent?.()
      this.#drop(connected)
      return
    }
    this.#askedAtMs = nowMs
    connected.sql`select 1`.then(
      () => this.#heard(connected),
      (error: unknown) => this.#lose(connected, error),
    )
  }

  #heard(connected: Connected): void {
    if (this.#connected !== connected) return
    this.#askedAtMs = undefined
    if (this.#up || this.#isClosed()) return
    this.#up = true
    this.#options.onUp?.()
  }

  #lose(connected: Connected, reason: unknown): void {
    if (this.#connected !== connected || this.#isClosed()) return
    const wasUp = this.#up
    this.#drop(connected)
    if (wasUp) this.#options.onDown?.(reason)
  }

  #drop(connected: Connected): void {
    this.#up = false
    this.#askedAtMs = undefined
    if (this.#connected === connected) this.#connected = undefined
    connected.cut()
    void connected.sql.end({ timeout: 0 })
  }
}

/** The only reason the pause is cut short is `close`, which the loop sees for itself. */
function ignoreAbort(): void {}
