/** The content of responses: sealed pieces of at most a mebibyte. */
import { CHUNK_BYTES, type ContentKeys, type SealedKey } from '../batch/index.ts'
import type { Queries, Transaction } from '../store/index.ts'

/** What its client sent, and what it was told. */
export type Part = 'request' | 'answer'

export interface Content {
  request: Buffer
  answer: Buffer
}

/** Whose content it is. */
export interface ContentOwner {
  id: string
  tenantId: string
}

const placeOf = (id: string, part: Part, firstByte: number) => `${id}:${part}:${firstByte}`

/** Stores a part that is not there. */
export async function writePart(
  sql: Transaction,
  keys: ContentKeys,
  key: SealedKey,
  { id, tenantId }: ContentOwner,
  part: Part,
  content: Buffer,
): Promise<void> {
  for (let firstByte = 0; firstByte < content.length; firstByte += CHUNK_BYTES) {
    const piece = content.subarray(firstByte, firstByte + CHUNK_BYTES)
    const sealed = keys.seal(key, tenantId, piece, placeOf(id, part, firstByte))
    const row = { response_id: id, part, first_byte: firstByte, content: sealed }
    await sql`insert into response_chunks ${sql(row)}`
  }
}

/** The content of a tenant's responses; those that are gone are absent. */
export async function readContents(
  sql: Queries,
  keys: ContentKeys,
  tenantId: string,
  ids: readonly string[],
): Promise<Map<string, Content>> {
  const key = await keys.find(sql, tenantId)
  if (key === undefined || ids.length === 0) return new Map()
  const chunks = await sql<{ id: string; part: Part; firstByte: number; content: Buffer }[]>`
    select response_id as id, part, first_byte as "firstByte", content from response_chunks
    where response_id in ${sql([...ids])} order by response_id, part, first_byte`
  const pieces = new Map<string, Record<Part, Buffer[]>>()
  for (const { id, part, firstByte, content } of chunks) {
    const parts = pieces.get(id) ?? { request: [], answer: [] }
    parts[part].push(keys.unseal(key, tenantId, content, placeOf(id, part, firstByte)))
    pieces.set(id, parts)
  }
  return new Map(
    [...pieces].map(([id, { request, answer }]) => [
      id,
      { request: Buffer.concat(request), answer: Buffer.concat(answer) },
    ]),
  )
}
