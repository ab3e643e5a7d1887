/** What differences are called, and what they mean. */
import type { DifferenceClassName } from '../api/contract.ts'

export const classWords: Record<DifferenceClassName, { title: string; meaning: string }> = {
  matched: { title: 'Matched', meaning: 'the same in both' },
  missing_here: { title: 'Missing here', meaning: 'billed, and not on the ledger' },
  missing_there: { title: 'Missing there', meaning: 'on the ledger, and not billed' },
  price: { title: 'Price', meaning: 'as many tokens, another amount' },
  tokens: { title: 'Tokens', meaning: 'another number of tokens' },
}
