/**
 * The PostgreSQL driver, with two defects of version 3.4.9 mended as it is loaded; everything else
 * about connections is in `connection.ts`.
 *
 * 1. Small messages are written a moment later. When the connection closes before that, which
 *    happens to every transaction that is open as the server goes away, the driver writes to a
 *    socket that is null: the error has no query to reject and ends the process
 *    (https://github.com/porsager/postgres/issues/1208). Mended, the query is refused.
 * 2. A connection that closed keeps what was half done on it. Made anew, it gives the old error to
 *    its first query, or never writes again (https://github.com/porsager/postgres/pull/1215).
 *    Mended, everything pending is refused and forgotten.
 *
 * `transaction.test.ts` fails without them; a version of the driver that has its own remedy no
 * longer contains these texts and is loaded as it is.
 */
import { registerHooks } from 'node:module'

const remedies: [defect: string, mended: string][] = [
  [
    `  function nextWrite(fn) {
`,
    `  function nextWrite(fn) {
    if (socket === null) {
      chunk = nextWriteTimer = null
      error(Errors.connection('CONNECTION_CLOSED', options))
      return false
    }
`,
  ],
  [
    `    socket = null

    if (initial)
      return reconnect()

    !hadError && (query || sent.length) && error(`,
    `    socket = null
    chunk = nextWriteTimer = errorResponse = results = null
    result = new Result()

    if (initial)
      return reconnect()

    if (query || sent.length) error(`,
  ],
  [
    `    closedTime = performance.now()
    hadError && options.shared.retries++`,
    `    query = null
    closedTime = performance.now()
    hadError && options.shared.retries++`,
  ],
]

const hooks = registerHooks({
  load(url, context, nextLoad) {
    const loaded = nextLoad(url, context)
    if (!url.endsWith('/postgres/src/connection.js')) return loaded
    const source = remedies.reduce(
      (text, [defect, mended]) => text.replace(defect, () => mended),
      String(loaded.source),
    )
    return { ...loaded, source }
  },
})
export const { default: postgres } = await import('postgres')
hooks.deregister()
