/**
 * The file of a backup: a compressed archive with a manifest first, and the SHA-256 of each entry
 * last. Whoever has it has the keys of the installation, so it is readable by its owner only.
 */
import { createHash } from 'node:crypto'
import { once } from 'node:events'
import { createReadStream, createWriteStream, rmSync } from 'node:fs'
import { dirname } from 'node:path'
import { finished } from 'node:stream/promises'
import { createGunzip, createGzip } from 'node:zlib'
import { GristmillError } from '../base/index.ts'
import { TAR_END, type TarEntry, tarEntries, tarEntry } from '../host/index.ts'

const SUMS = 'SHA256SUMS'
/** Rows compress well at any level; the lowest ones keep a running server's processor free. */
const LEVEL = 3

const sumOf = (content: Buffer) => createHash('sha256').update(content).digest('hex')

/** Writes entries one after the other; a file that is there already is never touched. */
export class BackupWriter {
  readonly #path: string
  readonly #atMs: number
  readonly #zip = createGzip({ level: LEVEL })
  readonly #file: ReturnType<typeof createWriteStream>
  readonly #sums: string[] = []

  private constructor(path: string, atMs: number) {
    this.#path = path
    this.#atMs = atMs
    this.#file = createWriteStream(path, { flags: 'wx', mode: 0o600 })
  }

  /** @throws GristmillError `backup_refused` where the file exists or cannot be made */
  static async open(path: string, atMs: number): Promise<BackupWriter> {
    const writer = new BackupWriter(path, atMs)
    try {
      await once(writer.#file, 'open')
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException
      const absent = `there is no folder ${dirname(path)}`
      const reason = code === 'EEXIST' ? `${path} exists already` : inWords(error, absent)
      throw new GristmillError('backup_refused', { reason }, { cause: error })
    }
    writer.#zip.pipe(writer.#file)
    return writer
  }

  async add(entry: TarEntry): Promise<void> {
    this.#sums.push(`${sumOf(entry.content)}  ${entry.name}\n`)
    await this.#write(tarEntry(entry, this.#atMs))
  }

  /** @returns its size, bytes */
  async close(): Promise<number> {
    const content = Buffer.from(this.#sums.join(''))
    await this.#write(tarEntry({ name: SUMS, content }, this.#atMs))
    this.#zip.end(TAR_END)
    await finished(this.#file)
    return this.#file.bytesWritten
  }

  /** Takes away what was written so far. */
  async abandon(): Promise<void> {
    this.#zip.unpipe()
    this.#zip.destroy()
    this.#file.destroy()
    if (!this.#file.closed) await once(this.#file, 'close')
    rmSync(this.#path, { force: true })
  }

  async #write(part: Buffer): Promise<void> {
    if (this.#file.errored) throw this.#file.errored
    if (this.#zip.write(part)) return
    // A disk that is full is told by the file, not by what is before it.
    await Promise.race([once(this.#zip, 'drain'), finished(this.#file)])
  }
}

/**
 * The entries of a backup.
 * @throws GristmillError `restore_refused` where it is damaged or not whole
 */
export async function* readBackup(path: string): AsyncGenerator<TarEntry> {
  const sums: string[] = []
  const source = createReadStream(path)
  const zip = source.pipe(createGunzip())
  source.once('error', (error) => zip.destroy(error))
  try {
    for await (const entry of tarEntries(zip as AsyncIterable<Buffer>)) {
      if (entry.name === SUMS) {
        if (entry.content.toString() === sums.join('')) return
        throw new Error('its content is not that of its checksums')
      }
      sums.push(`${sumOf(entry.content)}  ${entry.name}\n`)
      yield entry
    }
    throw new Error('it has no checksums')
  } catch (error) {
    if (error instanceof GristmillError) throw error
    const reason = `${path}: ${inWords(error, 'there is no such file')}`
    throw new GristmillError('restore_refused', { reason }, { cause: error })
  } finally {
    source.destroy()
    zip.destroy()
  }
}

const WORDS: Record<string, string> = {
  EACCES: 'permission denied',
  EISDIR: 'it is a folder',
  Z_DATA_ERROR: 'it is no backup, or damaged',
  Z_BUF_ERROR: 'it is cut off',
}

function inWords(error: unknown, absent: string): string {
  const { code = '', message } = error as NodeJS.ErrnoException
  return code === 'ENOENT' ? absent : (WORDS[code] ?? message)
}
