/** The sums over everything the usage page shows. */
import type { UsageRow } from '../api/contract.ts'
import { Figure, Figures } from '../parts/figure.tsx'
import { money } from '../parts/money.ts'
import { unitsOf } from '../requests/ends.ts'
import { compact, count, duration, durationParts, percent } from '../units.ts'

export function UsageFigures({
  rows,
  isLost,
  span,
  currency,
}: {
  rows: readonly UsageRow[] | undefined
  /** True where they do not come. */
  isLost: boolean
  span: string
  currency: string
}) {
  const sum = (value: (row: UsageRow) => number) =>
    rows?.reduce((total, row) => total + value(row), 0) ?? 0
  const requests = sum((row) => row.requests)
  const finished = sum((row) => row.finished)
  const input = sum((row) => row.inputTokens)
  const cached = sum((row) => row.cachedTokens)
  const output = sum((row) => row.outputTokens)
  const engine = durationParts(sum((row) => row.engineMs))
  const wait = requests === 0 ? null : sum((row) => row.queueMs) / requests
  const charged = rows?.reduce((total, row) => total + BigInt(row.chargeNanos), 0n) ?? 0n
  const priced = requests - sum((row) => row.unpriced)
  const shown = (value: string) => {
    if (rows !== undefined) return value
    return isLost ? null : '…'
  }
  const told = (basis: string) => (rows === undefined ? '' : basis)
  return (
    <Figures>
      <Figure
        label={`Service, ${span}`}
        value={shown(compact(sum(unitsOf)))}
        unit="units"
        basis="uncached in + 2 × out"
        definition="Service units of all settled requests of this span and filter"
      />
      {priced > 0 && (
        <Figure
          label="Charged"
          value={money(BigInt(charged))}
          unit={currency}
          basis={
            priced === requests
              ? 'by the prices that held'
              : `${count(requests - priced)} requests had no price`
          }
          definition="Sum of what settled requests are charged, each by the price that held when it came"
        />
      )}
      <Figure
        label="Tokens"
        value={shown(compact(input + output))}
        basis={told(
          `${compact(input)} in, ${input === 0 ? '–' : percent(cached / input)} cached · ${compact(output)} out`,
        )}
        definition="Prompt and output tokens on the ledger"
      />
      <Figure
        label="Requests"
        value={shown(count(requests))}
        basis={told(endsInWords(requests, finished))}
        definition="Settled requests; finished ones were answered to the end"
      />
      <Figure
        label="Engine time"
        value={shown(engine.value)}
        unit={engine.unit}
        basis={told(wait === null ? 'nothing waited' : `${duration(wait)} in the queue on average`)}
        definition="Sum over requests of the time from dispatch to the end; requests that run side by side each count"
      />
    </Figures>
  )
}

function endsInWords(requests: number, finished: number): string {
  if (requests === 0) return 'none settled'
  if (finished === requests) return 'all finished'
  return `${percent(finished / requests, 1)} finished, the rest ended early`
}
