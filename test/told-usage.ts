/** Usage as its CSV tells it, and what a request must be charged. */
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import type { BudgetView, RequestView } from '../src/http/contract.ts'
import type { TestServer } from './server.ts'

/** Usage as its CSV has it, a record of texts for each line. */
export async function usageCsv(
  server: TestServer,
  query: string,
): Promise<Record<string, string>[]> {
  const token = readFileSync(`${server.home}/cli-token`, 'utf8')
  const headers = { 'x-gristmill-local': token, accept: 'text/csv' }
  const response = await fetch(`${server.url}/api/usage?${query}`, { headers })
  assert.match(response.headers.get('content-type') ?? '', /text\/csv/)
  const [head = '', ...lines] = (await response.text()).trim().split(/\r?\n/)
  const names = head.split(',')
  return lines.map((line) =>
    Object.fromEntries(line.split(',').map((value, i) => [names[i] ?? '', value])),
  )
}

/** What a request is charged by the price of the test of charges; its rates are exact in nanos. */
export function expectedNanos(row: RequestView): number {
  const { inputTokens, cachedTokens, outputTokens, engineMs, hitInputTokens } = row
  const fee = 1_000_000
  if (hitInputTokens !== null) {
    return (hitInputTokens * 3000 + (row.hitOutputTokens ?? 0) * 7000 + fee) / 4
  }
  const perInput = row.endpoint === '/v1/embeddings' ? 1500 : 3000
  const tokens = (inputTokens - cachedTokens) * perInput + cachedTokens * 300 + outputTokens * 7000
  return tokens + fee + (engineMs ?? 0) * 10_000
}

/** The first budget that a key is told of. */
export async function budgetTold(
  { url }: TestServer,
  key: string,
): Promise<BudgetView | undefined> {
  const answer = await fetch(`${url}/v1/budget`, { headers: { authorization: `Bearer ${key}` } })
  return ((await answer.json()) as { budgets: BudgetView[] }).budgets[0]
}
