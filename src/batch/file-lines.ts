/** Lines of a file as they stream by; knows nothing of what they mean. */
import type { FileLine } from './file-types.ts'

const NEWLINE = 10
const CARRIAGE_RETURN = 13
const BOM = Buffer.from([0xef, 0xbb, 0xbf])

/**
 * Splits bytes into lines, holding one line in memory and of a line that is too long less.
 * A line break at the end of the file begins no further line.
 * @param lineBytesMax longest line whose text is given, bytes
 */
export async function* splitLines(
  source: AsyncIterable<Uint8Array>,
  lineBytesMax: number,
  from: { number: number; byte: number } = { number: 1, byte: 0 },
): AsyncGenerator<FileLine> {
  let { number, byte: firstByte } = from
  let parts: Uint8Array[] = []
  let held = 0
  let bytes = 0
  const take = (piece: Uint8Array) => {
    bytes += piece.length
    if (bytes > lineBytesMax) {
      parts = []
      held = 0
    } else if (piece.length > 0) {
      parts.push(piece)
      held += piece.length
    }
  }
  const line = (): FileLine => {
    const place = { number, firstByte }
    if (bytes > lineBytesMax) return { ...place, text: undefined, problem: 'too_long' }
    return decoded(place, Buffer.concat(parts, held))
  }
  for await (const chunk of source) {
    let start = 0
    for (let end = chunk.indexOf(NEWLINE); end !== -1; end = chunk.indexOf(NEWLINE, start)) {
      take(chunk.subarray(start, end))
      yield line()
      number += 1
      firstByte += bytes + 1
      parts = []
      held = bytes = 0
      start = end + 1
    }
    take(chunk.subarray(start))
  }
  if (bytes > 0) yield line()
}

const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

function decoded(place: { number: number; firstByte: number }, raw: Buffer): FileLine {
  const isMarked = place.firstByte === 0 && raw.subarray(0, BOM.length).equals(BOM)
  const isPadded = raw.at(-1) === CARRIAGE_RETURN
  const content = raw.subarray(isMarked ? BOM.length : 0, isPadded ? -1 : undefined)
  try {
    return { ...place, text: decoder.decode(content) }
  } catch (error) {
    if (!(error instanceof TypeError)) throw error
    return { ...place, text: undefined, problem: 'not_utf8' }
  }
}
