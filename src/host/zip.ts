/** Taking one file out of a ZIP archive without reading the rest (APPNOTE 6.3, without ZIP64). */
import { createReadStream, createWriteStream } from 'node:fs'
import { type FileHandle, open } from 'node:fs/promises'
import { pipeline } from 'node:stream/promises'
import { createInflateRaw } from 'node:zlib'

interface Entry {
  name: string
  method: number
  compressedBytes: number
  headerOffset: number
}

const END_OF_DIRECTORY = 0x06054b50
const END_BYTES = 22
const COMMENT_BYTES_MAX = 65_535
const DIRECTORY_ENTRY = 0x02014b50
const DIRECTORY_ENTRY_BYTES = 46
const LOCAL_HEADER_BYTES = 30
const STORED = 0
const DEFLATED = 8

/**
 * Writes the first entry whose name passes to `target`.
 * @throws Error when there is none, or the archive is damaged
 */
export async function extractEntry(
  archive: string,
  isWanted: (name: string) => boolean,
  target: string,
): Promise<void> {
  const entry = await findEntry(archive, isWanted)
  const { method, compressedBytes, dataOffset } = entry
  if (method !== STORED && method !== DEFLATED) throw new Error(`compression method ${method}`)
  const source = createReadStream(archive, {
    start: dataOffset,
    end: dataOffset + compressedBytes - 1,
  })
  const sink = createWriteStream(target)
  if (method === STORED) await pipeline(source, sink)
  else await pipeline(source, createInflateRaw(), sink)
}

async function findEntry(archive: string, isWanted: (name: string) => boolean) {
  const file = await open(archive)
  try {
    const entry = (await readDirectory(file)).find(({ name }) => isWanted(name))
    if (!entry) throw new Error('the archive does not hold the file')
    // Name and extra field come again, with lengths of their own, before the data.
    const header = await read(file, entry.headerOffset, LOCAL_HEADER_BYTES)
    const skip = header.readUInt16LE(26) + header.readUInt16LE(28)
    return { ...entry, dataOffset: entry.headerOffset + LOCAL_HEADER_BYTES + skip }
  } finally {
    await file.close()
  }
}

async function readDirectory(file: FileHandle): Promise<Entry[]> {
  const { size } = await file.stat()
  const tailBytes = Math.min(size, END_BYTES + COMMENT_BYTES_MAX)
  const tail = await read(file, size - tailBytes, tailBytes)
  let at = tail.length - END_BYTES
  while (at >= 0 && tail.readUInt32LE(at) !== END_OF_DIRECTORY) at--
  if (at < 0) throw new Error('it is not a ZIP archive')
  const bytes = tail.readUInt32LE(at + 12)
  const directory = await read(file, tail.readUInt32LE(at + 16), bytes)
  const entries: Entry[] = []
  for (let offset = 0; offset + DIRECTORY_ENTRY_BYTES <= directory.length; ) {
    if (directory.readUInt32LE(offset) !== DIRECTORY_ENTRY)
      throw new Error('its directory is damaged')
    const nameBytes = directory.readUInt16LE(offset + 28)
    const nameOffset = offset + DIRECTORY_ENTRY_BYTES
    entries.push({
      name: directory.toString('utf8', nameOffset, nameOffset + nameBytes),
      method: directory.readUInt16LE(offset + 10),
      compressedBytes: directory.readUInt32LE(offset + 20),
      headerOffset: directory.readUInt32LE(offset + 42),
    })
    offset =
      nameOffset +
      nameBytes +
      directory.readUInt16LE(offset + 30) +
      directory.readUInt16LE(offset + 32)
  }
  return entries
}

async function read(file: FileHandle, position: number, length: number): Promise<Buffer> {
  const { buffer, bytesRead } = await file.read(Buffer.alloc(length), 0, length, position)
  if (bytesRead < length) throw new Error('it ends too early')
  return buffer
}
