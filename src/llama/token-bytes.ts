/** The bytes that tokens stand for, also where they are only a part of a character. */
import { isUtf8 } from 'node:buffer'
import type { Token } from 'node-llama-cpp'

export type TokenBytes = (token: Token) => Buffer

/** What is asked of a model. */
export interface NamedTokens {
  detokenize(tokens: Token[]): string
  fileInfo: {
    metadata: { tokenizer?: { ggml?: { model?: string; tokens?: readonly string[] } } }
  }
}

const BYTE_NAME = /^<0x([0-9A-Fa-f]{2})>$/
/** SentencePiece's sign for a space. */
const SPACE_SIGN = '\u2581'

/** By the names that tokens have in the model's file; control tokens stand for nothing. */
export function tokenBytesOf(model: NamedTokens): TokenBytes {
  const { model: kind, tokens: names = [] } = model.fileInfo.metadata.tokenizer?.ggml ?? {}
  const byteOf = new Map(byteAlphabet().map((name, byte) => [name, byte]))
  return (token) => {
    const text = model.detokenize([token])
    const name = names[token] ?? ''
    if (text === '' || name === '') return Buffer.from(text)
    if (kind === 'llama') {
      const [, hex] = BYTE_NAME.exec(name) ?? []
      return hex ? Buffer.from(hex, 'hex') : Buffer.from(name.replaceAll(SPACE_SIGN, ' '))
    }
    const bytes = kind === 'gpt2' ? Array.from(name, (letter) => byteOf.get(letter)) : []
    const isNamed = bytes.length > 0 && !bytes.includes(undefined)
    return isNamed ? Buffer.from(bytes as number[]) : Buffer.from(text)
  }
}

/** A token as OpenAI shows it: a part of a character by its bytes, such as `\xe6\xb0`. */
export function shownToken(bytes: Buffer): string {
  if (isUtf8(bytes)) return bytes.toString()
  return Array.from(bytes, (byte) =>
    byte < 0x80 ? String.fromCharCode(byte) : `\\x${byte.toString(16)}`,
  ).join('')
}

/** GPT-2's printable name of each byte: itself where printable, else a code point above 255. */
export function byteAlphabet(): string[] {
  const printable = (byte: number) =>
    (byte >= 33 && byte <= 126) || (byte >= 161 && byte <= 172) || byte >= 174
  let next = 256
  return Array.from({ length: 256 }, (_, byte) =>
    String.fromCodePoint(printable(byte) ? byte : next++),
  )
}
