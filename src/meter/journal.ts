/**
 * Intents on the disk of this machine, from their promise until the database has them. A group is
 * durable after one write, since files have their full length already and are opened with
 * `O_DSYNC`; once all rows of a file are booked it is written over.
 *
 * A file is `GMJ1`, its generation, then records: length of the payload, CRC-32 of the payload
 * (begun with the generation, so that what an earlier one left never counts), the payload: rows as
 * JSON, parted by commas. Numbers have 32 bits, little-endian.
 */
import { constants } from 'node:fs'
import { type FileHandle, mkdir, open, readdir, readFile, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { crc32 } from 'node:zlib'

const FILE_BYTES = 1 << 20
const HEAD_BYTES = 8
const MAGIC = 0x314a_4d47
const SUFFIX = '.journal'

export interface JournalFile {
  readonly path: string
  readonly handle: FileHandle
  generation: number
  /** Where the next record goes. */
  end: number
  /** Rows in it that the database does not have. */
  unbooked: number
}

interface Left {
  paths: string[]
  rows: string[]
  generation: number
}

export class Journal {
  readonly #directory: string
  readonly #left: Left
  readonly #files = new Set<JournalFile>()
  #generation: number
  #current: JournalFile | undefined
  #writing: Promise<unknown> = Promise.resolve()
  #isClosed = false

  private constructor(directory: string, left: Left) {
    this.#directory = directory
    this.#left = left
    this.#generation = left.generation
  }

  /**
   * Opens the journal in a folder that no other process writes to; makes it where there is none.
   * @throws what the file system throws
   */
  static async open(directory: string): Promise<Journal> {
    await mkdir(directory, { recursive: true })
    return new Journal(directory, await readLeft(directory))
  }

  /** Rows of an earlier run, as JSON, that the database may lack; kept until `forgetLeft`. */
  get left(): readonly string[] {
    return this.#left.rows
  }

  /** The database has what an earlier run left. */
  async forgetLeft(): Promise<void> {
    this.#left.rows = []
    for (const path of this.#left.paths.splice(0)) await rm(path, { force: true })
  }

  /**
   * Makes a group durable; one after another.
   * @param rows as JSON, together less than a mebibyte
   * @returns the file they are in, to be told as they are booked
   * @throws what the file system throws; the rows may be in the journal all the same
   */
  async append(rows: readonly string[]): Promise<JournalFile> {
    if (this.#isClosed) throw new Error('the journal is closed')
    const writing = this.#writing.then(() => this.#append(rows))
    this.#writing = writing.catch(() => undefined)
    return await writing
  }

  /** The database has one more row of a file, or it is not needed any more. */
  booked(file: JournalFile): void {
    file.unbooked--
  }

  /** Ends what is being written. What is not booked stays for the next run. */
  async close(): Promise<void> {
    this.#isClosed = true
    await this.#writing
    for (const { handle, unbooked, path } of this.#files) {
      await handle.close()
      if (unbooked === 0) await rm(path, { force: true })
    }
    this.#files.clear()
  }

  async #append(rows: readonly string[]): Promise<JournalFile> {
    const payload = Buffer.from(rows.join(','))
    const bytes = HEAD_BYTES + payload.length
    if (HEAD_BYTES + bytes > FILE_BYTES) throw new Error(`a group of ${bytes} bytes is too large`)
    let file = this.#current
    if (file === undefined || file.end + bytes > FILE_BYTES) {
      file = await this.#next()
      this.#current = file
    }
    const record = Buffer.allocUnsafe(bytes)
    record.writeUInt32LE(payload.length, 0)
    record.writeUInt32LE(crc32(payload, file.generation), 4)
    payload.copy(record, HEAD_BYTES)
    await writeWhole(file.handle, record, file.end)
    file.end += bytes
    file.unbooked += rows.length
    return file
  }

  /** A file to begin: one whose rows are all booked, else a new one. */
  async #next(): Promise<JournalFile> {
    const generation = ++this.#generation
    let file: JournalFile | undefined
    for (const one of this.#files) if (one.unbooked === 0) file = one
    file ??= await this.#make(generation)
    const head = Buffer.alloc(HEAD_BYTES)
    head.writeUInt32LE(MAGIC, 0)
    head.writeUInt32LE(generation, 4)
    await writeWhole(file.handle, head, 0)
    return Object.assign(file, { generation, end: HEAD_BYTES })
  }

  async #make(generation: number): Promise<JournalFile> {
    const path = join(this.#directory, `${generation}${SUFFIX}`)
    const { O_CREAT, O_EXCL, O_RDWR, O_DSYNC } = constants
    const handle = await open(path, O_CREAT | O_EXCL | O_RDWR | O_DSYNC, 0o600)
    try {
      await writeWhole(handle, Buffer.alloc(FILE_BYTES), 0)
    } catch (error) {
      // One without its full length would be full before it is said to be.
      await handle.close()
      await rm(path, { force: true })
      throw error
    }
    const file = { path, handle, generation, end: 0, unbooked: 0 }
    this.#files.add(file)
    const directory = await open(this.#directory)
    await directory.sync()
    await directory.close()
    return file
  }
}

/** A disk that is nearly full takes a part and says so without an error. */
async function writeWhole(handle: FileHandle, bytes: Buffer, at: number): Promise<void> {
  for (let done = 0; done < bytes.length; ) {
    const { bytesWritten } = await handle.write(bytes, done, bytes.length - done, at + done)
    done += bytesWritten
  }
}

async function readLeft(directory: string): Promise<Left> {
  const left: Left = { paths: [], rows: [], generation: 0 }
  const files: { generation: number; rows: string[] }[] = []
  for (const name of await readdir(directory)) {
    if (!name.endsWith(SUFFIX)) continue
    const path = join(directory, name)
    const bytes = await readFile(path)
    left.paths.push(path)
    // One that was being made may be named after a generation that no head tells of.
    left.generation = Math.max(left.generation, Number.parseInt(name, 10) || 0)
    if (bytes.length < HEAD_BYTES || bytes.readUInt32LE(0) !== MAGIC) continue
    const generation = bytes.readUInt32LE(4)
    left.generation = Math.max(left.generation, generation)
    files.push({ generation, rows: rowsIn(bytes, generation) })
  }
  // In the order in which they were written.
  files.sort((a, b) => a.generation - b.generation)
  left.rows = files.flatMap(({ rows }) => rows)
  return left
}

/** Rows of the records up to the first that is not whole. */
function rowsIn(bytes: Buffer, generation: number): string[] {
  const rows: string[] = []
  for (let at = HEAD_BYTES; at + HEAD_BYTES <= bytes.length; ) {
    const length = bytes.readUInt32LE(at)
    const payload = bytes.subarray(at + HEAD_BYTES, at + HEAD_BYTES + length)
    if (length === 0 || payload.length < length) break
    if (crc32(payload, generation) !== bytes.readUInt32LE(at + 4)) break
    const group = JSON.parse(`[${payload.toString()}]`) as object[]
    rows.push(...group.map((row) => JSON.stringify(row)))
    at += HEAD_BYTES + length
  }
  return rows
}
