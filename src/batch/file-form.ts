/**
 * The form that a file is uploaded with, read while it arrives: the content as a stream, the
 * fields beside it once they are there, in whatever order they come.
 */
import type { IncomingMessage } from 'node:http'
import type { Readable } from 'node:stream'
import { Busboy, type BusboyHeaders, type BusboyInstance } from '@fastify/busboy'
import { z } from 'zod'
import { checked, GristmillError } from '../base/index.ts'
import { type NewFile, uploadPurposes } from './file-types.ts'

export interface FileForm {
  /** Ends when the whole form has arrived. @throws GristmillError for whatever is wrong with it */
  content(): AsyncGenerator<Buffer>
  /** @throws GristmillError `invalid_value` where fields are missing or wrong */
  about(): NewFile
  /** Reads and drops what is still coming; to be called in every case. */
  close(): void
}

const HOUR_S = 3600
const LIFE_S_MAX = 30 * 24 * HOUR_S
const FILENAME_LENGTH_MAX = 255
const LIMITS = {
  files: 2,
  fields: 8,
  parts: 10,
  fieldSize: 1024,
  headerPairs: 20,
  headerSize: 8192,
}

const purpose = z.enum(uploadPurposes, {
  error: `only files for ${uploadPurposes.join(', ')} are taken`,
})
const life = {
  error: `a number of seconds from ${HOUR_S} to ${LIFE_S_MAX} is needed`,
}
const fields = z
  .strictObject({
    purpose,
    'expires_after[anchor]': z.literal('created_at', 'it must be created_at').optional(),
    'expires_after[seconds]': z.coerce
      .number(life)
      .int(life)
      .min(HOUR_S, life)
      .max(LIFE_S_MAX, life)
      .optional(),
  })
  .refine((given) => !given['expires_after[anchor]'] === !given['expires_after[seconds]'], {
    path: ['expires_after'],
    error: 'anchor and seconds belong together',
  })
const filename = z
  .string()
  .min(1, 'the file has no name')
  .max(FILENAME_LENGTH_MAX, `its name is longer than ${FILENAME_LENGTH_MAX} characters`)
  .regex(/^[^\p{Cc}]*$/u, 'its name contains control characters')

const wrong = (param: string, reason: string) =>
  new GristmillError('invalid_value', { param, reason })

/** Where a form is at the moment. */
interface Arriving {
  given: Map<string, string>
  file: PromiseWithResolvers<{ stream: Readable; name: string }>
  finished: PromiseWithResolvers<void>
  fail: (reason: Error) => void
}

/**
 * Begins to read.
 * @throws GristmillError `invalid_value` where the request carries no form
 */
export function readFileForm(request: IncomingMessage): FileForm {
  const parser = parserFor(request)
  const arriving = follow(request, parser)
  request.pipe(parser)
  const { given, file, finished } = arriving
  const about = (name: string): NewFile => {
    const values = checked(fields, Object.fromEntries(given))
    const expiresAfterS = values['expires_after[seconds]']
    const known = checked(z.object({ file: filename }), { file: name })
    return { filename: known.file, purpose: values.purpose, expiresAfterS }
  }
  let name = ''
  return {
    async *content() {
      const part = await file.promise
      name = part.name
      // Refused before the content where the field came first.
      if (given.has('purpose')) checked(z.object({ purpose }), { purpose: given.get('purpose') })
      for await (const chunk of part.stream) yield chunk as Buffer
      await finished.promise
    },
    about: () => about(name),
    close() {
      request.unpipe(parser)
      parser.destroy()
      request.resume()
    },
  }
}

function parserFor(request: IncomingMessage): BusboyInstance {
  const { headers } = request
  const encoding = headers['content-encoding']
  if (encoding !== undefined && encoding !== 'identity') {
    throw wrong('content-encoding', `the body must not be encoded (${encoding})`)
  }
  const type = headers['content-type'] ?? ''
  if (!/^multipart\/form-data\b/i.test(type)) {
    throw wrong('content-type', 'a form is needed, multipart/form-data')
  }
  try {
    return new Busboy({ headers: headers as BusboyHeaders, limits: LIMITS })
  } catch (error) {
    const details = { param: 'content-type', reason: 'it names no boundary' }
    throw new GristmillError('invalid_value', details, { cause: error })
  }
}

function follow(request: IncomingMessage, parser: BusboyInstance): Arriving {
  const given = new Map<string, string>()
  const file = Promise.withResolvers<{ stream: Readable; name: string }>()
  const finished = Promise.withResolvers<void>()
  // Whoever reads the content is told; nobody may be reading any more.
  file.promise.catch(() => {})
  finished.promise.catch(() => {})
  let open: Readable | undefined
  const fail = (reason: Error) => {
    file.reject(reason)
    finished.reject(reason)
    open?.destroy(reason)
  }
  parser.on('file', (field, stream, name) => {
    // Its reader may be gone by the time that it fails.
    stream.on('error', () => {})
    if (field !== 'file' || open !== undefined) {
      stream.resume()
      fail(wrong(String(field), open ? 'one file is taken at a time' : 'there is no such field'))
      return
    }
    open = stream
    file.resolve({ stream, name: name ?? '' })
  })
  parser.on('field', (field, value, _nameCut, isCut) => {
    if (isCut) fail(wrong(field.slice(0, 100), 'it is too long'))
    else given.set(field.slice(0, 100), value)
  })
  const tooMany = () => fail(wrong('body', 'it has too many parts'))
  parser.on('fieldsLimit', tooMany).on('filesLimit', tooMany).on('partsLimit', tooMany)
  parser.on('error', () => fail(wrong('body', 'it is not a complete form')))
  parser.on('finish', () => {
    file.reject(wrong('file', 'it is missing'))
    finished.resolve()
  })
  const left = () => {
    // What had come of it and was not read is gone as well.
    if (!request.readableEnded) fail(wrong('file', 'the connection ended before the file did'))
  }
  if (request.closed) left()
  else request.once('close', left)
  return { given, file, finished, fail }
}
