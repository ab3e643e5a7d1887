/** The child of chaos `books` as its parent holds it, loaded before it is needed. */
import { type ChildProcess, fork } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import type { News, Order } from './books-terms.ts'

const PROGRAM = fileURLToPath(new URL('books-child.ts', import.meta.url))
/** Children are killed and never write what they compiled: each is told to, once it is loaded. */
const COMPILED = fileURLToPath(new URL('../node_modules/.cache/chaos-books', import.meta.url))

export class BooksChild {
  readonly ended: Promise<void>
  hear: (news: News) => void = () => undefined
  readonly #child: ChildProcess
  readonly #waiting: { kind: News['kind']; done: PromiseWithResolvers<News> }[] = []
  #isLoaded = false
  #hasEnded = false

  constructor() {
    const env = { ...process.env, NODE_COMPILE_CACHE: COMPILED }
    this.#child = fork(PROGRAM, { env, stdio: ['ignore', 'inherit', 'inherit', 'ipc'] })
    this.ended = new Promise((resolve) => this.#child.once('close', () => resolve()))
    void this.ended.then(() => this.#end())
    this.#child.on('message', (news: News) => this.#receive(news))
  }

  get hasEnded(): boolean {
    return this.#hasEnded
  }

  send(order: Order): void {
    if (this.#child.connected) this.#child.send(order, () => undefined)
  }

  /** The next of a kind; null where the child ends before it. */
  async next(kind: News['kind']): Promise<News | null> {
    if (this.#hasEnded || (kind === 'loaded' && this.#isLoaded)) return null
    const done = Promise.withResolvers<News>()
    this.#waiting.push({ kind, done })
    return await Promise.race([done.promise, this.ended.then(() => null)])
  }

  async kill(): Promise<void> {
    this.#child.kill('SIGKILL')
    await this.ended
  }

  async close(): Promise<void> {
    this.send({ kind: 'close' })
    const late = setTimeout(() => this.#child.kill('SIGKILL'), 10_000)
    await this.ended
    clearTimeout(late)
  }

  #receive(news: News): void {
    if (news.kind === 'loaded') this.#isLoaded = true
    this.hear(news)
    for (const one of this.#waiting.filter(({ kind }) => kind === news.kind)) {
      this.#waiting.splice(this.#waiting.indexOf(one), 1)
      one.done.resolve(news)
    }
  }

  #end(): void {
    this.#hasEnded = true
  }
}
