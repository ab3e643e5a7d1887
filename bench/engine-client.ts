/**
 * A client of an engine that costs little: bare sockets, since what the client computes is taken
 * from the engine on a small machine.
 */
import { connect } from 'node:net'
import { systemClock } from '../src/base/index.ts'

export interface StreamResult {
  /** Request sent → first event that carries content, milliseconds. */
  ttftMs: number
  /** When events with content arrived, milliseconds of the monotonic clock. */
  eventsMs: number[]
  /** The text of all events. */
  text: string
}

const sockets = (url: string, path: string, body: object) => {
  const { host, hostname, port } = new URL(url)
  const text = JSON.stringify(body)
  const head =
    `POST ${path} HTTP/1.1\r\nhost: ${host}\r\nconnection: close\r\n` +
    `content-type: application/json\r\ncontent-length: ${Buffer.byteLength(text)}\r\n\r\n`
  const socket = connect(Number(port), hostname, () => socket.write(head + text))
  return socket
}

/** Posts a completion and counts its events; resolves when the answer has ended. */
export function countEvents(url: string, path: string, body: object): Promise<number> {
  return new Promise((resolve, reject) => {
    let events = 0
    let isFirst = true
    const socket = sockets(url, path, body)
    socket.on('error', reject)
    socket.on('close', () => resolve(events))
    socket.on('data', (bytes) => {
      if (isFirst && !bytes.includes('200 OK')) reject(new Error(`${url} answered an error`))
      isFirst = false
      for (let at = bytes.indexOf('data: '); at >= 0; at = bytes.indexOf('data: ', at + 6)) events++
    })
  })
}

const CONTENT = /"text":"((?:[^"\\]|\\.)*)"/g

/** Posts a streamed completion and notes when its tokens arrive. */
export function streamTokens(
  url: string,
  body: object,
  onEvent: () => void = () => undefined,
): Promise<StreamResult> {
  return new Promise((resolve, reject) => {
    const startMs = systemClock.monotonicMs()
    const eventsMs: number[] = []
    let all = ''
    const socket = sockets(url, '/v1/completions', { ...body, stream: true })
    socket.on('error', reject)
    socket.on('data', (bytes) => {
      const piece = bytes.toString()
      all += piece
      if (!piece.includes('data: {')) return
      eventsMs.push(systemClock.monotonicMs())
      onEvent()
    })
    socket.on('close', () => {
      if (!all.includes('200 OK')) return reject(new Error(all.slice(0, 200)))
      const text = [...all.matchAll(CONTENT)].map(([, part]) => JSON.parse(`"${part}"`)).join('')
      resolve({ ttftMs: (eventsMs[0] ?? Number.NaN) - startMs, eventsMs, text })
    })
  })
}

/** 99th percentile of the engine's event-loop delay since it was asked last, milliseconds. */
export async function eventLoopDelayP99Ms(url: string): Promise<number> {
  const text = await (await fetch(`${url}/metrics`)).text()
  const seconds = /gristmill:event_loop_delay_p99_seconds ([\d.e-]+)/.exec(text)?.[1]
  return Number(seconds ?? Number.NaN) * 1000
}
