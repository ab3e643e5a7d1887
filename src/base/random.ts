/** Randomness, handed in like the clock so that a seed reproduces a run. */
import { randomFillSync } from 'node:crypto'

export interface Random {
  /** Uniform in [0, 1). */
  next(): number
  /** `length` random bytes. */
  bytes(length: number): Uint8Array
}

const POOL_BYTES = 4096
const pool = new Uint8Array(POOL_BYTES)
let poolUsed = POOL_BYTES

/** Bytes drawn ahead, because asking the system costs as much for sixteen as for thousands. */
function pooled(length: number): Uint8Array {
  if (poolUsed + length > POOL_BYTES) {
    randomFillSync(pool)
    poolUsed = 0
  }
  const bytes = pool.slice(poolUsed, poolUsed + length)
  // What was handed out is not kept: it may have become a key.
  pool.fill(0, poolUsed, poolUsed + length)
  poolUsed += length
  return bytes
}

/** Cryptographically strong; the only source fit for keys and tokens. */
export const systemRandom: Random = {
  next: () => {
    const [a = 0, b = 0] = randomFillSync(new Uint32Array(2))
    return (a * 2 ** 21 + (b >>> 11)) / 2 ** 53
  },
  bytes: (length) =>
    length <= POOL_BYTES / 4 ? pooled(length) : randomFillSync(new Uint8Array(length)),
}

/** Reproducible and not secret: mulberry32 (public domain, T. Ettinger). */
export function seededRandom(seed: number): Random {
  let state = seed >>> 0
  const next = () => {
    state = (state + 0x6d2b79f5) >>> 0
    let t = state
    t = Math.imul(t ^ (t >>> 15), t | 1)
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61)
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32
  }
  return { next, bytes: (length) => Uint8Array.from({ length }, () => Math.floor(next() * 256)) }
}
