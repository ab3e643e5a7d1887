/** A proxy in front of an engine that spoils what passes: slow, failing, silent, or as it is. */
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { Agent, request } from 'undici'
import type { Random } from '../src/base/index.ts'

export type Fault =
  | { kind: 'none' }
  /** Every byte comes as much later as it took, times `factor`. */
  | { kind: 'slow'; factor: number }
  /** This share of the requests is answered with 500. */
  | { kind: 'errors'; share: number }
  /** Nothing is answered, health included. */
  | { kind: 'hang' }

export interface FaultProxy {
  url: string
  /** Requests for inference that reached it. */
  attempts: number
  set(fault: Fault): void
  close(): Promise<void>
}

/** @param target where the engine is now; undefined while it is killed */
export async function startFaultProxy(
  target: () => string | undefined,
  random: Random,
): Promise<FaultProxy> {
  const agent = new Agent({ connections: null, headersTimeout: 0, bodyTimeout: 0 })
  let fault: Fault = { kind: 'none' }
  const server = createServer((incoming, response) => {
    response.on('error', () => response.destroy())
    const isWork = incoming.method === 'POST'
    if (isWork) proxy.attempts++
    const at = target()
    if (at === undefined) incoming.socket.destroy()
    else if (fault.kind === 'hang') incoming.resume()
    else if (isWork && fault.kind === 'errors' && random.next() < fault.share) {
      incoming.resume()
      response.writeHead(500, { 'content-type': 'application/json' })
      response.end('{"error":{"message":"a fault"}}')
    } else {
      const factor = fault.kind === 'slow' ? fault.factor : 1
      pass(agent, at, incoming, response, factor).catch(() => response.destroy())
    }
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const proxy: FaultProxy = {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    attempts: 0,
    set: (next) => {
      fault = next
      // What hung is let go, as when a stopped machine comes back and its clients have left.
      if (next.kind === 'none') server.closeIdleConnections()
    },
    close: async () => {
      server.closeAllConnections()
      await new Promise<void>((resolve) => server.close(() => resolve()))
      await agent.close()
    },
  }
  return proxy
}

async function pass(
  agent: Agent,
  at: string,
  incoming: IncomingMessage,
  response: ServerResponse,
  factor: number,
): Promise<void> {
  const startMs = performance.now()
  const gone = new AbortController()
  response.on('close', () => gone.abort())
  const later = async () => {
    const waitMs = (factor - 1) * (performance.now() - startMs)
    if (waitMs >= 1) await new Promise((resolve) => setTimeout(resolve, waitMs))
  }
  const { host: _, connection: __, ...headers } = incoming.headers
  const answer = await request(at + incoming.url, {
    method: incoming.method as 'GET',
    headers,
    body: incoming.method === 'GET' ? null : incoming,
    dispatcher: agent,
    signal: gone.signal,
  })
  // Each waits for the one before it: timers alone do not keep the order of bytes, as one that is
  // set later in a turn of the event loop is counted from the beginning of that turn.
  let sent = Promise.resolve()
  let isBegun = false
  const send = async (before: Promise<void>, ownMs: number, work: () => void) => {
    await before
    const waitMs = ownMs - performance.now()
    if (factor !== 1 && waitMs >= 1) await new Promise((resolve) => setTimeout(resolve, waitMs))
    work()
  }
  for await (const bytes of answer.body) {
    const head = !isBegun
    isBegun = true
    const ownMs = startMs + factor * (performance.now() - startMs)
    sent = send(sent, ownMs, () => {
      if (head) response.writeHead(answer.statusCode, answer.headers as Record<string, string>)
      response.write(bytes)
    })
    // One that fails is told below, when all are waited for.
    sent.catch(() => undefined)
  }
  await sent
  if (!isBegun) {
    await later()
    response.writeHead(answer.statusCode, answer.headers as Record<string, string>)
  }
  response.end()
}
