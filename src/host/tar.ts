/**
 * Archives as `tar` reads them (POSIX ustar, regular files only), written and read part by part.
 * Names and sizes are ours, so nothing longer than the format's fields is ever asked for.
 */

const BLOCK = 512
const FILE = '0'.charCodeAt(0)

export interface TarEntry {
  name: string
  content: Buffer
}

/** An entry with its header, filled up to whole blocks. @param atMs its time */
export function tarEntry({ name, content }: TarEntry, atMs: number): Buffer {
  const size = Math.ceil(content.length / BLOCK) * BLOCK
  const entry = Buffer.alloc(BLOCK + size)
  const octal = (value: number, at: number, digits: number) =>
    entry.write(value.toString(8).padStart(digits, '0'), at, 'latin1')
  if (Buffer.byteLength(name) > 99) throw new Error(`${name} is too long a name`)
  entry.write(name, 0)
  octal(0o600, 100, 7)
  octal(0, 108, 7)
  octal(0, 116, 7)
  octal(content.length, 124, 11)
  octal(Math.floor(atMs / 1000), 136, 11)
  entry[156] = FILE
  entry.write('ustar\u000000', 257, 'latin1')
  octal(checksumOf(entry), 148, 6)
  entry.write('\0 ', 154, 'latin1')
  content.copy(entry, BLOCK)
  return entry
}

/** What ends an archive. */
export const TAR_END = Buffer.alloc(2 * BLOCK)

/** The sum of the header with its own field as blanks. */
function checksumOf(header: Buffer): number {
  let sum = 8 * 32
  for (let at = 0; at < BLOCK; at++) if (at < 148 || at >= 156) sum += header[at] as number
  return sum
}

/**
 * The entries of an archive, one at a time.
 * @throws Error where it is none, is damaged, or ends before its end
 */
export async function* tarEntries(parts: AsyncIterable<Buffer>): AsyncGenerator<TarEntry> {
  let held: Buffer[] = []
  let bytes = 0
  const source = parts[Symbol.asyncIterator]()
  const take = async (wanted: number): Promise<Buffer> => {
    while (bytes < wanted) {
      const { value, done } = await source.next()
      if (done) throw new Error('it ends before its end')
      held.push(value)
      bytes += value.length
    }
    const all = Buffer.concat(held, bytes)
    held = [all.subarray(wanted)]
    bytes -= wanted
    return all.subarray(0, wanted)
  }
  for (;;) {
    const header = await take(BLOCK)
    if (header.every((byte) => byte === 0)) return
    const number = (at: number) => Number.parseInt(header.toString('latin1', at, at + 11), 8)
    const size = number(124)
    if (number(148) !== checksumOf(header) || !Number.isSafeInteger(size)) {
      throw new Error('it is not an archive, or damaged')
    }
    const name = header.toString('utf8', 0, header.indexOf(0))
    const content = (await take(Math.ceil(size / BLOCK) * BLOCK)).subarray(0, size)
    yield { name, content }
  }
}
