/** The secrets of keys: how they are made, hashed and hinted at. Nothing here keeps one. */
import { hash } from 'node:crypto'
import type { Random } from '../base/index.ts'

const ALPHABET = '0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz'
/** 43 characters of base 62 carry 256 bits. */
const LENGTH = 43
const HINT_LENGTH = 7

/** A new secret, `gm-` and 43 random characters. */
export function newSecret(random: Random): string {
  let secret = 'gm-'
  while (secret.length < LENGTH + 3) {
    for (const byte of random.bytes(LENGTH)) {
      // 248 is the largest multiple of 62 in a byte; what is above would favour some characters.
      if (byte < 248 && secret.length < LENGTH + 3) secret += ALPHABET[byte % 62]
    }
  }
  return secret
}

/** SHA-256 of the whole string in hexadecimal, whatever its prefix and length. */
export function hashSecret(secret: string): string {
  return hash('sha256', secret, 'hex')
}

/** The characters to recognise a secret by; too few to guess the rest. */
export function hintOf(secret: string): string {
  return secret.slice(0, HINT_LENGTH)
}
