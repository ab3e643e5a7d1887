/**
 * Proof of the statements, in the order of their numbers: the chain is whole and signed, lines add
 * up to what is billed, and the ledger still says what stands on them.
 */
import type { Queries } from '../../store/index.ts'
import { readDiscounts } from '../discounts/discounts.ts'
import { readCreditUse } from './credit-use.ts'
import { type PeriodCosts, periodCosts } from './period.ts'
import { FIRST_HASH, hashOf, isSigned } from './statement-chain.ts'
import { allocationOf, tenantLines, totalOf } from './statement-document.ts'
import { readStatement, readStatements, readUsageLines } from './statement-rows.ts'
import type { Statement, StatementDocument } from './statement-types.ts'
import type { VerifiedPart } from './verify-requests.ts'
import { readDropped } from './verify-usage.ts'

/** Statements of a period follow each other, so its costs are worked out once for many. */
const ROWS = 50

/** @param after number of the last statement of the part before; 0 at the beginning */
export async function verifyStatements(sql: Queries, after: number): Promise<VerifiedPart> {
  const before = after === 0 ? undefined : await readStatement(sql, after)
  const statements = await readStatements(sql, { after }, ROWS)
  const costs = new CostsOfPeriod(sql)
  let previous = before?.hash ?? FIRST_HASH
  let checked = 0
  for (const statement of statements) {
    const expected = after + checked + 1
    checked++
    const what =
      chainProblem(statement, expected, previous) ?? (await problem(sql, statement, costs))
    const id = `statement ${expected}`
    if (what !== undefined) return { checked, open: 0, next: null, broken: { id, what } }
    previous = statement.hash
  }
  const next = statements.length < ROWS ? null : String(after + checked)
  return { checked, open: 0, next, broken: null }
}

/** The chain alone, without the ledger. @returns what is wrong with it */
export function chainProblem(
  { number, text, document, previousHash, hash, signature, publicKey }: Statement,
  expected: number,
  previous: string,
): string | undefined {
  if (number !== expected || document.number !== expected) return 'it is missing'
  if (previousHash !== previous) return 'it does not follow the one before it'
  if (hashOf(previousHash, text) !== hash) return 'it is not what was hashed'
  if (!isSigned(hash, signature, publicKey)) return 'its signature is not of its key'
  return undefined
}

async function problem(
  sql: Queries,
  { document, correctedBy }: Statement,
  costs: CostsOfPeriod,
): Promise<string | undefined> {
  // What was taken back need not be what the ledger says now.
  if (document.kind === 'credit_note' || correctedBy !== null) return undefined
  if (totalOf(document) !== document.total) return 'its lines do not add up to its total'
  const { tenantId, fromAt, toAt } = document
  const [fromMs, toMs] = [Date.parse(fromAt), Date.parse(toAt)]
  const usage = (await readUsageLines(sql, fromMs, toMs, tenantId)).get(tenantId) ?? []
  if (!isSame(usage, document.usage)) return 'the settlements of its period say something else'
  if (document.basis === 'prices') {
    const { plan = null, book = 0 } = document.discounts ?? {}
    const discounts = await readDiscounts(sql, { tenantId, fromMs, toMs, plan, book })
    if (!isSame(discounts, document.discounts)) return 'its discounts are not those of its terms'
  }
  const credit = (await readCreditUse(sql, fromMs, toMs, tenantId)).get(tenantId)
  const isKept = fromMs >= ((await readDropped(sql))?.before.getTime() ?? 0)
  if (isKept && !isSame(credit, document.credit)) {
    return 'the prepaid credit of its period says something else'
  }
  const now = await costs.of(document)
  const { costs: lines, overflow } = tenantLines(now, tenantId)
  const hasCosts = isSame(lines, document.costs) && isSame(overflow, document.overflow)
  if (!hasCosts || !isSame(allocationOf(now), document.allocation)) {
    return 'the engine minutes and costs of its period say something else'
  }
  return undefined
}

const isSame = (a: unknown, b: unknown) => JSON.stringify(a) === JSON.stringify(b)

class CostsOfPeriod {
  readonly #sql: Queries
  #key = ''
  #costs: PeriodCosts | undefined

  constructor(sql: Queries) {
    this.#sql = sql
  }

  async of({ fromAt, toAt, allocation: { rule } }: StatementDocument): Promise<PeriodCosts> {
    const key = `${fromAt} ${toAt} ${rule}`
    if (this.#costs === undefined || key !== this.#key) {
      this.#key = key
      const [fromMs, toMs] = [Date.parse(fromAt), Date.parse(toAt)]
      this.#costs = await periodCosts(this.#sql, fromMs, toMs, rule, 'records')
    }
    return this.#costs
  }
}
