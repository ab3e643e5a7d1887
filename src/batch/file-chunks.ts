/** The content of files: sealed pieces of at most a mebibyte, written and read in order. */
import { GristmillError, SEAL_OVERHEAD_BYTES } from '../base/index.ts'
import type { Queries, Transaction } from '../store/index.ts'
import type { ContentKeys, SealedKey } from './content-keys.ts'
import type { FileRow, OpenFile } from './file-types.ts'

const MEBIBYTE = 1024 * 1024
/** Content of a piece, so that it has a mebibyte when it is sealed. */
export const CHUNK_BYTES = MEBIBYTE - SEAL_OVERHEAD_BYTES

/** Of a file that several read. */
const SHARED_PIECES = 8

const placeOf = (fileId: string, firstByte: number) => `${fileId}:${firstByte}`

/**
 * Adds content at the end of a file that is not complete yet.
 * @throws GristmillError `not_found` where it is gone or complete
 */
export async function appendContent(
  sql: Transaction,
  keys: ContentKeys,
  { id, tenantId }: OpenFile,
  content: Uint8Array,
  at: Date,
): Promise<void> {
  if (content.length === 0) return
  const [row] = await sql<(SealedKey & { total: number })[]>`
    update files f set bytes = f.bytes + ${content.length}, touched_at = ${at}
    from content_keys k
    where f.id = ${id} and f.tenant_id = ${tenantId} and f.state <> 'ready'
      and k.tenant_id = f.tenant_id
    returning f.bytes as total, k.sealed_key as "sealedKey", k.sealed_by as "sealedBy"`
  if (!row) throw new GristmillError('not_found', { kind: 'file', id })
  const start = row.total - content.length
  for (let from = 0; from < content.length; from += CHUNK_BYTES) {
    const piece = content.subarray(from, from + CHUNK_BYTES)
    const firstByte = start + from
    const sealed = keys.seal(row, tenantId, piece, placeOf(id, firstByte))
    const chunk = { file_id: id, first_byte: firstByte, bytes: piece.length, content: sealed }
    await sql`insert into file_chunks ${sql(chunk)}`
  }
}

/**
 * The content from a position on, a piece in memory at a time.
 * @param shared where others read the same file at about the same place
 * @throws GristmillError `not_found` where the file is destroyed while it is read
 */
export async function* readContent(
  sql: Queries,
  keys: ContentKeys,
  file: FileRow,
  fromByte: number,
  shared?: SharedPieces,
): AsyncGenerator<Buffer> {
  const read = (from: number) => readPiece(sql, keys, file, from)
  let position = fromByte
  while (position < file.bytes) {
    const piece = await (shared ? shared.at(position, read) : read(position))
    position += piece.length
    yield piece
  }
}

/** What is left of a piece from a position on. */
async function readPiece(
  sql: Queries,
  keys: ContentKeys,
  { id, tenantId }: FileRow,
  position: number,
): Promise<Buffer> {
  const key = await keys.find(sql, tenantId)
  const [chunk] = await sql<{ firstByte: number; content: Buffer }[]>`
    select first_byte as "firstByte", content from file_chunks
    where file_id = ${id} and first_byte <= ${position} order by first_byte desc limit 1`
  if (key === undefined || chunk === undefined) {
    throw new GristmillError('not_found', { kind: 'file', id })
  }
  const { firstByte, content } = chunk
  return keys.unseal(key, tenantId, content, placeOf(id, firstByte)).subarray(position - firstByte)
}

/** Pieces of one file that several read at about the same place: each is read once for all. */
export class SharedPieces {
  readonly #pieces = new Map<number, Promise<Buffer>>()

  at(position: number, read: (position: number) => Promise<Buffer>): Promise<Buffer> {
    const known = this.#pieces.get(position)
    if (known !== undefined) return known
    const reading = read(position)
    this.#pieces.set(position, reading)
    for (const oldest of this.#pieces.keys()) {
      if (this.#pieces.size <= SHARED_PIECES) break
      this.#pieces.delete(oldest)
    }
    return reading
  }
}

/** The same bytes in pieces of exactly `size`, but for the last; nothing comes for no bytes. */
export async function* inPiecesOf(
  size: number,
  source: AsyncIterable<Uint8Array>,
): AsyncGenerator<Buffer> {
  let parts: Uint8Array[] = []
  let bytes = 0
  for await (const chunk of source) {
    let rest = chunk
    while (bytes + rest.length >= size) {
      const taken = size - bytes
      yield Buffer.concat([...parts, rest.subarray(0, taken)])
      rest = rest.subarray(taken)
      parts = []
      bytes = 0
    }
    if (rest.length > 0) parts.push(rest)
    bytes += rest.length
  }
  if (bytes > 0) yield Buffer.concat(parts)
}
