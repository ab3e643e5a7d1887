/**
 * Walks over the header of a GGUF file and checks that every length in it lies inside the file: a
 * damaged one would have a reader gather bytes until memory ends. The format is that of ggml's
 * `docs/gguf.md`, versions 2 and 3.
 */
import type { FileHandle } from 'node:fs/promises'

const CHUNK_BYTES = 256 * 1024
/** Bytes of values by their type's number; strings (8) and arrays (9) say their length. */
const VALUE_BYTES: readonly number[] = [1, 1, 2, 2, 4, 4, 4, 1, 0, 0, 8, 8, 8]
const STRING = 8
const ARRAY = 9
const ARRAY_DEPTH_MAX = 4
const DIMENSIONS_MAX = 4

/** True where the header is whole, as far as lengths tell. */
export async function isWholeHeader(file: FileHandle, fileBytes: number): Promise<boolean> {
  const reader = new HeaderReader(file, fileBytes)
  try {
    await walk(reader)
    return true
  } catch (error) {
    if (error instanceof Damaged) return false
    throw error
  }
}

class Damaged extends Error {}

async function walk(reader: HeaderReader): Promise<void> {
  reader.skip(4)
  const version = await reader.number(4)
  if (version < 2 || version > 3) throw new Damaged()
  const tensors = await reader.number(8)
  const values = await reader.number(8)
  for (let i = 0; i < values; i++) {
    reader.skip(await reader.number(8))
    await skipValue(reader, await reader.number(4), 0)
  }
  for (let i = 0; i < tensors; i++) {
    reader.skip(await reader.number(8))
    const dimensions = await reader.number(4)
    if (dimensions > DIMENSIONS_MAX) throw new Damaged()
    reader.skip(dimensions * 8 + 4 + 8)
  }
}

async function skipValue(reader: HeaderReader, type: number, depth: number): Promise<void> {
  const bytes = VALUE_BYTES[type]
  if (bytes === undefined || depth > ARRAY_DEPTH_MAX) throw new Damaged()
  if (type === STRING) reader.skip(await reader.number(8))
  else if (type !== ARRAY) reader.skip(bytes)
  else {
    const inner = await reader.number(4)
    const count = await reader.number(8)
    const innerBytes = VALUE_BYTES[inner] ?? 0
    if (innerBytes > 0) reader.skip(count * innerBytes)
    else for (let i = 0; i < count; i++) await skipValue(reader, inner, depth + 1)
  }
}

/** Reads forward in chunks. @throws Damaged beyond the end of the file */
class HeaderReader {
  readonly #file: FileHandle
  readonly #fileBytes: number
  readonly #chunk = Buffer.alloc(CHUNK_BYTES)
  #chunkAt = 0
  #chunkBytes = 0
  #at = 0

  constructor(file: FileHandle, fileBytes: number) {
    this.#file = file
    this.#fileBytes = fileBytes
  }

  skip(bytes: number): void {
    this.#at += bytes
    if (this.#at > this.#fileBytes) throw new Damaged()
  }

  /** A whole number of 4 or 8 bytes; one that JavaScript cannot hold is no length of a file. */
  async number(bytes: 4 | 8): Promise<number> {
    const from = this.#at
    this.skip(bytes)
    if (from < this.#chunkAt || from + bytes > this.#chunkAt + this.#chunkBytes) {
      const { bytesRead } = await this.#file.read(this.#chunk, 0, CHUNK_BYTES, from)
      if (bytesRead < bytes) throw new Damaged()
      this.#chunkAt = from
      this.#chunkBytes = bytesRead
    }
    const offset = from - this.#chunkAt
    if (bytes === 4) return this.#chunk.readUInt32LE(offset)
    return Number(this.#chunk.readBigUInt64LE(offset))
  }
}
