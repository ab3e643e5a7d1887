/** What a round of chaos `books` asks of its child, and what the child tells for its callers. */
import type { TokenCounts } from '../src/meter/index.ts'

/** How long leases of budgets last: shorter than in a gateway, since rounds are short. */
export const LEASE_MS = 2000
export const INPUT_TOKENS_MAX = 500
export const OUTPUT_TOKENS_MAX = 40
export const CURRENCY = 'USD'

/** How the disk of the journal fails: full in fact, or in words where none can be made. */
export type DiskFault = 'full' | 'pretended'

export type Order =
  | { kind: 'open'; databaseUrl: string; journal: string; seed: number; tenants: string[] }
  | {
      kind: 'round'
      /** The step of the ledger before which the child kills itself; null: it lives. */
      killAtStep: number | null
      /** How far its wall clock is from the machine's, milliseconds. */
      clockOffsetMs: number
      diskFault: DiskFault | null
    }
  /** The disk has room again. */
  | { kind: 'room' }
  | { kind: 'close' }

export type News =
  | { kind: 'loaded' }
  | { kind: 'open'; recovered: number }
  /** The first byte of an answer. @param most what it takes if it is read to its end */
  | { kind: 'began'; id: string; tenantId: string; most: TokenCounts }
  | { kind: 'tokens'; id: string; tokens: number }
  /** The end of an answer, with its usage; or its caller has left. */
  | { kind: 'ended'; id: string; usage: TokenCounts | null }
  | { kind: 'refused'; id: string; code: string }
  /** @param steps that the ledger took; @param doubleSettled by its own count */
  | { kind: 'done'; steps: number; doubleSettled: number }
