/**
 * Transactions that end with their connection. The driver alone would let the work go on after
 * the connection was lost: later statements would run on its next connection without a
 * transaction, and the rollback might hit somebody else's.
 */
import type { Sql, Transaction } from './connection.ts'

/**
 * Runs `work` in one transaction: committed when it resolves, rolled back when it rejects. When
 * the connection is lost it rejects at once, and what `work` still tries is refused.
 */
export async function runTransaction<T>(
  pool: Sql,
  work: (sql: Transaction) => Promise<T>,
): Promise<T> {
  let hasEnded = false
  // The driver rolls back once this settles, so after the connection was lost it never may.
  const never = new Promise<never>(() => {})
  const supervised = async (sql: Transaction) => {
    try {
      const result = await work(guarded(sql, () => hasEnded))
      return await (hasEnded ? never : result)
    } catch (error) {
      if (hasEnded) return never
      throw error
    }
  }
  try {
    return (await pool.begin(supervised)) as T
  } finally {
    hasEnded = true
  }
}

/** Refuses every use once the transaction has ended. */
function guarded(sql: Transaction, hasEnded: () => boolean): Transaction {
  const check = () => {
    if (!hasEnded()) return
    throw Object.assign(new Error('the transaction has ended'), { code: 'CONNECTION_CLOSED' })
  }
  return new Proxy(sql, {
    apply(target, self, given) {
      check()
      return Reflect.apply(target, self, given) as unknown
    },
    get(target, name, receiver) {
      check()
      return Reflect.get(target, name, receiver) as unknown
    },
  })
}
