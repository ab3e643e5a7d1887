/**
 * Who listens to what. PostgreSQL keeps that with a connection, so every connection of the session
 * must be told all of it before its listeners count as up.
 */
import type { Sql } from './connection.ts'

export type ListenerState = 'up' | 'down'
export type OnState = (state: ListenerState) => void

export interface Listener {
  channel: string
  onPayload: (payload: string) => void
  onState: OnState | undefined
}

/** What a session is asked for here. */
interface Line {
  /** The connection, while the session is up. */
  sql(): Sql | undefined
  /** Drops the connection, to be made anew. */
  fail(reason: unknown): void
}

export class Channels {
  readonly #listeners = new Set<Listener>()
  #state: ListenerState = 'down'
  /** Someone came while no connection was up, perhaps too late for the one being made. */
  #isIncomplete = false

  /** Resolves once the channel is listened to, or the session is down. */
  async add(session: Line, listener: Listener): Promise<() => void> {
    this.#listeners.add(listener)
    const remove = () => void this.#listeners.delete(listener)
    const sql = session.sql()
    if (sql) {
      try {
        await sql.unsafe(listenStatement(listener.channel))
      } catch (error) {
        remove()
        throw error
      }
    } else this.#isIncomplete = true
    listener.onState?.(this.#isIncomplete ? 'down' : this.#state)
    return remove
  }

  async listenAll(sql: Sql): Promise<void> {
    const names = new Set([...this.#listeners].map(({ channel }) => channel))
    await sql.unsafe(['select 1', ...[...names].map(listenStatement)].join(';'))
  }

  /** The session is up: listens to what came meanwhile, then tells everybody. */
  up(session: Line): void {
    const sql = session.sql()
    if (!(this.#isIncomplete && sql)) {
      this.#tell('up')
      return
    }
    this.#isIncomplete = false
    this.listenAll(sql).then(
      () => {
        if (session.sql() === sql) this.up(session)
      },
      (error: unknown) => session.fail(error),
    )
  }

  /** False when everybody knew. */
  down(): boolean {
    return this.#tell('down')
  }

  deliver(channel: string, payload: string): void {
    for (const one of this.#listeners) if (one.channel === channel) one.onPayload(payload)
  }

  #tell(state: ListenerState): boolean {
    if (state === this.#state) return false
    this.#state = state
    for (const { onState } of this.#listeners) onState?.(state)
    return true
  }
}

const listenStatement = (channel: string) => `listen "${channel.replaceAll('"', '""')}"`
