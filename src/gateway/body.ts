/** Reads a request's body up to its limit, without turning it into text on the way. */
import type { IncomingMessage } from 'node:http'
import { GristmillError } from '../base/index.ts'

/**
 * Calls back once: with the body, or with the error that refuses it. Nothing is called when the
 * client goes away first.
 */
export function readBody(
  request: IncomingMessage,
  maxBytes: number,
  done: (error: GristmillError | undefined, body: Buffer) => void,
): void {
  const encoding = request.headers['content-encoding']
  if (encoding !== undefined && encoding !== 'identity') {
    const reason = `the body must not be encoded (${encoding})`
    done(new GristmillError('unsupported_parameter', { param: 'content-encoding', reason }), EMPTY)
    return
  }
  if (Number(request.headers['content-length'] ?? 0) > maxBytes) {
    done(new GristmillError('body_too_large', { maxBytes }), EMPTY)
    return
  }
  const chunks: Buffer[] = []
  let bytes = 0
  const onData = (chunk: Buffer) => {
    bytes += chunk.length
    if (bytes > maxBytes) {
      request.off('data', onData)
      request.off('end', onEnd)
      // What is still coming is read and dropped until the answer has closed the connection.
      request.resume()
      done(new GristmillError('body_too_large', { maxBytes }), EMPTY)
      return
    }
    chunks.push(chunk)
  }
  const onEnd = () => done(undefined, chunks.length === 1 ? (chunks[0] ?? EMPTY) : concat(chunks))
  request.on('data', onData)
  request.on('end', onEnd)
}

const EMPTY = Buffer.alloc(0)
const concat = (chunks: Buffer[]) => Buffer.concat(chunks)
