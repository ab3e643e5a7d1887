/** Reads a request's body up to its limits, without turning it into text on the way. */
import type { IncomingMessage } from 'node:http'
import { GristmillError, type Limits, toGristmillError } from '../base/index.ts'
import { checkParts } from './body-parts.ts'

export type BodyLimits = Pick<Limits, 'bodyBytesMax' | 'bodyPartsMax'>

/**
 * Calls back once: with the body, or with the error that refuses it. Nothing is called when the
 * client goes away first.
 */
export function readBody(
  request: IncomingMessage,
  limits: BodyLimits,
  done: (error: GristmillError | undefined, body: Buffer) => void,
): void {
  const { bodyBytesMax: maxBytes } = limits
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
  const onEnd = () => {
    const body = chunks.length === 1 ? (chunks[0] ?? EMPTY) : Buffer.concat(chunks)
    done(problemOf(body, limits), body)
  }
  request.on('data', onData)
  request.on('end', onEnd)
}

const EMPTY = Buffer.alloc(0)

function problemOf(body: Buffer, limits: BodyLimits): GristmillError | undefined {
  try {
    checkParts(body, limits)
    return undefined
  } catch (error) {
    return toGristmillError(error)
  }
}
