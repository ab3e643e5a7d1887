/**
 * Bounds what a body is made of before it is parsed. A megabyte of short names becomes an object
 * that takes seconds to make, copy and look through, and nobody else is served meanwhile.
 */
import { GristmillError, type Limits } from '../base/index.ts'

const QUOTE = 0x22
const BACKSLASH = 0x5c
/** Each field with a name has a colon; objects and lists begin with these. */
const PARTS = new Set([0x3a, 0x7b, 0x5b])

/**
 * @param json as it came, which need not be JSON
 * @throws GristmillError `body_too_complex`
 */
export function checkParts(json: Buffer, { bodyPartsMax }: Pick<Limits, 'bodyPartsMax'>): void {
  // Each takes a byte at least, so that nearly every body has few enough.
  if (json.length <= bodyPartsMax) return
  let parts = 0
  for (let at = 0; at < json.length; at++) {
    const byte = json[at] as number
    if (byte === QUOTE) at = closingQuote(json, at)
    else if (PARTS.has(byte) && ++parts > bodyPartsMax) {
      throw new GristmillError('body_too_complex', { partsMax: bodyPartsMax })
    }
  }
}

/** Where the string ends that begins here; the length where it does not end. */
function closingQuote(json: Buffer, from: number): number {
  for (let at = json.indexOf(QUOTE, from + 1); at !== -1; at = json.indexOf(QUOTE, at + 1)) {
    let slashes = 0
    while (json[at - 1 - slashes] === BACKSLASH) slashes++
    if (slashes % 2 === 0) return at
  }
  return json.length
}
