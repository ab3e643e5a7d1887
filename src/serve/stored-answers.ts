/** What open requests are charged with whose answers are stored: lines of batches, responses. */
import { storedAnswers } from '../batch/index.ts'
import { storedResponses } from '../conversation/index.ts'
import type { StoredAnswers } from '../meter/index.ts'
import type { Queries } from '../store/index.ts'

export const storedIn =
  (sql: Queries): StoredAnswers =>
  async (requestIds) => {
    const answers = await storedAnswers(sql, requestIds)
    return new Map([...answers, ...(await storedResponses(sql, requestIds))])
  }
