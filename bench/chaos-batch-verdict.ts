/** A batch's files against its input and the ledger, line by line. Pure; reads nothing. */

/** A line of the output or error file. */
export interface FileAnswer {
  customId: string
  /** An answer with status 200. */
  isGood: boolean
  requestId: string | null
  /** As its usage says. */
  inputTokens: number
  outputTokens: number
}

/** A request of the batch as the ledger has settled it. */
export interface ChargedRequest {
  requestId: string
  inputTokens: number
  outputTokens: number
}

export interface BatchVerdict {
  /** Lines with exactly one answer in the files. */
  answeredOnce: number
  missing: number
  /** Answers beyond the first of their line. */
  duplicated: number
  /** Lines whose one answer is a failure. */
  failed: number
  /** True where the ledger charges every answer with its own usage, and nothing else. */
  ledgerMatches: boolean
  fileTokens: number
  chargedTokens: number
  /** Requests of the batch in all, and those that were charged. */
  requests: number
  chargedRequests: number
}

/** @param lines of the input, named `line-0`, `line-1`, … */
export function judgeBatch(
  lines: number,
  answers: readonly FileAnswer[],
  charged: readonly ChargedRequest[],
): BatchVerdict {
  const count = new Map<string, number>()
  for (const { customId } of answers) count.set(customId, (count.get(customId) ?? 0) + 1)
  const counts = Array.from({ length: lines }, (_, index) => count.get(`line-${index}`) ?? 0)
  const tokens = (rows: readonly { inputTokens: number; outputTokens: number }[]) =>
    rows.reduce((sum, row) => sum + row.inputTokens + row.outputTokens, 0)
  return {
    answeredOnce: counts.filter((times) => times === 1).length,
    missing: counts.filter((times) => times === 0).length,
    duplicated: counts.reduce((sum, times) => sum + Math.max(0, times - 1), 0),
    failed: answers.filter(({ isGood }) => !isGood).length,
    ledgerMatches: matches(answers, charged),
    fileTokens: tokens(answers),
    chargedTokens: tokens(charged),
    requests: charged.length,
    chargedRequests: charged.filter((row) => tokens([row]) > 0).length,
  }
}

/** Request by request, so that two mistakes cannot even out. */
function matches(answers: readonly FileAnswer[], charged: readonly ChargedRequest[]): boolean {
  const usage = new Map(answers.map((answer) => [answer.requestId, answer]))
  const isRight = (row: ChargedRequest) => {
    const { inputTokens = 0, outputTokens = 0 } = usage.get(row.requestId) ?? {}
    return row.inputTokens === inputTokens && row.outputTokens === outputTokens
  }
  const settled = new Set(charged.map(({ requestId }) => requestId))
  const isSettled = ({ requestId, isGood }: FileAnswer) =>
    !isGood || (requestId !== null && settled.has(requestId))
  return charged.every(isRight) && answers.every(isSettled)
}
