/**
 * Messages of one kind out and of another in, over one connection between gateways: lines of JSON,
 * each with the last beat that its sender has got. A side that is silent is given up.
 */
import type { Duplex } from 'node:stream'
import { StringDecoder } from 'node:string_decoder'
import type { Clock, Timer } from '../base/index.ts'
import { SentBeats } from './sent-beats.ts'

const BEAT_MS = 250
/** Both sides give a connection up that has been silent for so long. */
export const STREAM_SILENT_MS = 2000
/** What one side may be behind, bytes. */
const BACKLOG_BYTES_MAX = 64 * 1024 * 1024
const LINE_CHARACTERS_MAX = 64 * 1024 * 1024

/** Runs a step after those that are due already. */
const soon = Promise.resolve()

export interface PeerStreamOptions<In> {
  clock: Clock
  /** @param ageMs upper bound of the time since it was sent */
  onMessage: (message: In, ageMs: number) => void
  /** Called once; `reason` is for the log. */
  onClose: (reason: string) => void
}

export class PeerStream<In, Out> {
  readonly #socket: Duplex
  readonly #options: PeerStreamOptions<In>
  readonly #beats = new SentBeats()
  readonly #timer: Timer
  readonly #decoder = new StringDecoder('utf8')
  #queue: Out[] = []
  #echo = 0
  #heardAtMs: number
  #rest = ''
  #isClosed = false

  constructor(socket: Duplex, options: PeerStreamOptions<In>) {
    this.#socket = socket
    this.#options = options
    this.#heardAtMs = options.clock.monotonicMs()
    socket.on('data', (bytes: Buffer) => this.#read(this.#decoder.write(bytes)))
    socket.on('error', (error: Error) => this.close(error.message))
    socket.on('close', () => this.close('the connection was closed'))
    socket.resume()
    this.#timer = options.clock.every(BEAT_MS, () => this.#beat())
    this.#beat()
  }

  get isClosed(): boolean {
    return this.#isClosed
  }

  /** Goes out with what else is said in this moment. */
  send(message: Out): void {
    if (this.#isClosed) return
    if (this.#queue.push(message) === 1) void soon.then(() => this.#flush())
  }

  close(reason: string): void {
    if (this.#isClosed) return
    this.#isClosed = true
    this.#timer.cancel()
    this.#socket.destroy()
    this.#options.onClose(reason)
  }

  #flush(): void {
    if (this.#isClosed || this.#queue.length === 0) return
    const messages = this.#queue
    this.#queue = []
    this.#write([this.#echo, 0, ...messages])
  }

  #beat(): void {
    const nowMs = this.#options.clock.monotonicMs()
    if (nowMs - this.#heardAtMs > STREAM_SILENT_MS) this.close('the other side is silent')
    else this.#write([this.#echo, this.#beats.next(nowMs)])
  }

  #write(frame: unknown[]): void {
    if (this.#isClosed) return
    this.#socket.write(`${JSON.stringify(frame)}\n`)
    if (this.#socket.writableLength > BACKLOG_BYTES_MAX) this.close('the other side does not read')
  }

  #read(text: string): void {
    const nowMs = this.#options.clock.monotonicMs()
    const lines = (this.#rest + text).split('\n')
    this.#rest = lines.pop() ?? ''
    if (this.#rest.length > LINE_CHARACTERS_MAX) this.close('it sends lines without end')
    // After a pause of ours what is buffered says nothing about now; the beats tell.
    if (lines.length > 0) this.#heardAtMs = nowMs
    for (const line of lines) {
      if (this.#isClosed) return
      try {
        this.#take(line)
      } catch (error) {
        // It may be of another version. All that came this way is told anew over the next one.
        this.close(`what it says cannot be taken: ${(error as Error).message}`)
      }
    }
  }

  #take(line: string): void {
    const [echo, beat, ...messages] = JSON.parse(line) as [number, number, ...In[]]
    if (beat > 0) this.#echo = beat
    for (const message of messages) {
      if (this.#isClosed) return
      const ageMs = this.#beats.ageMs(echo, this.#options.clock.monotonicMs())
      this.#options.onMessage(message, ageMs)
    }
  }
}
