/** The three arrangements side by side: engines, utilisation, cost, at the same promise. */
import type { PlanArrangement, PlanReport } from '../api/contract.ts'
import { Card } from '../parts/card.tsx'
import { ExportButton } from '../parts/export-button.tsx'
import { finePercent, percent, plural, rate } from '../units.ts'
import { arrangementWords } from './plan-words.ts'

const money = new Intl.NumberFormat('en-US', { maximumSignificantDigits: 3 })

export function Arrangements({ report }: { report: PlanReport }) {
  const { arrangements, engine } = report
  return (
    <Card
      title="Three ways to serve it"
      note={`capacity of one engine ${rate(engine.capacityUnitsPerS)} units/s at ${plural(engine.cap, 'sequence')}`}
      actions={<ArrangementsExport rows={arrangements} />}
    >
      <ul className="grid gap-y-5 md:grid-cols-3">
        {arrangements.map((one) => (
          <Arrangement key={one.kind} arrangement={one} report={report} />
        ))}
      </ul>
    </Card>
  )
}

interface ArrangementProps {
  arrangement: PlanArrangement
  report: PlanReport
}

function Arrangement({ arrangement, report }: ArrangementProps) {
  const { kind, engines, utilisation } = arrangement
  const { name, note } = arrangementWords[kind]
  return (
    <li className="border-line md:not-first:border-l md:not-first:pl-5 md:not-last:pr-5">
      <h3 className="font-[580]">{name}</h3>
      <p className="text-[0.78rem] text-soft md:min-h-9">{note}</p>
      <p className="mt-1.5 text-[1.7rem] leading-[1.3] font-[620] tracking-[-0.025em] tabular-nums">
        {engines}
        <small className="ml-1 text-sm font-medium tracking-normal text-soft">
          {engines === 1 ? 'engine' : 'engines'}
        </small>
      </p>
      <div
        role="img"
        aria-label={`${percent(utilisation, 1)} utilised`}
        className="mt-1 mb-2.5 h-2 overflow-hidden rounded-full bg-sunk"
      >
        <i
          className={`block h-full [--tenant:var(--grain-1)] ${kind === 'pooled_with_batch' ? 'hatched' : 'bg-(--grain-1)'}`}
          style={{ width: `${Math.min(100, utilisation * 100)}%` }}
        />
      </div>
      <dl className="grid gap-1 text-[0.82rem]">
        {factsOf(arrangement, report).map(({ fact, value, basis }) => (
          <div key={fact} title={basis} className="flex justify-between gap-4">
            <dt className="text-soft">{fact}</dt>
            <dd className="text-right tabular-nums">{value}</dd>
          </div>
        ))}
      </dl>
    </li>
  )
}

function factsOf(one: PlanArrangement, { costPerEngineHour }: PlanReport) {
  const { utilisation, costPerMillionTokens, millionTokens, batchShare, batchPastWindow } = one
  return [
    {
      fact: 'Utilisation',
      value: percent(utilisation, 1),
      basis: 'Service that kept its promise ÷ (capacity of all engines × length of the trace)',
    },
    {
      fact: 'Cost per million tokens',
      value: costPerMillionTokens === null ? 'unknown' : money.format(costPerMillionTokens),
      basis:
        costPerEngineHour === null
          ? 'Unknown because no cost of an engine was given'
          : `Engines × hours × ${costPerEngineHour} ÷ tokens in and out, in your currency`,
    },
    {
      fact: 'Tokens',
      value: `${rate(millionTokens)} M`,
      basis: 'Tokens in and out, millions; batch that was filled in counts',
    },
    {
      fact: 'Batch',
      value: finePercent(batchShare),
      basis: 'Background work as a part of all work',
    },
    ...(batchPastWindow > 0
      ? [
          {
            fact: 'Late batch lines',
            value: String(batchPastWindow),
            basis: 'Lines that missed their window of 24 hours',
          },
        ]
      : []),
  ]
}

function ArrangementsExport({ rows }: { rows: readonly PlanArrangement[] }) {
  const header = [
    'Arrangement',
    'Engines',
    'Utilisation',
    'Cost per million tokens',
    'Million tokens',
    'Batch share',
    'Batch past window',
  ]
  const cells = (one: PlanArrangement) => [
    arrangementWords[one.kind].name,
    one.engines,
    one.utilisation,
    one.costPerMillionTokens,
    one.millionTokens,
    one.batchShare,
    one.batchPastWindow,
  ]
  return <ExportButton name="plan" header={header} rows={() => rows.map(cells)} />
}
