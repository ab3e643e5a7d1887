/** Where each unit went: engines, classes, who pays, and what for, as bands that add up. */
import { useMemo } from 'react'
import type { ChargebackView } from '../api/contract.ts'
import { useTenantNames } from '../api/lists.ts'
import { Card } from '../parts/card.tsx'
import { layoutFlow, NOBODY, OTHERS } from '../parts/flow-layout.ts'
import { FlowPicture } from '../parts/flow-picture.tsx'
import { money, shortMoney } from '../parts/money.ts'
import { type CostSums, costFlows } from './cost-sums.ts'
import { endInWords } from './cost-words.ts'

const COLUMNS = 4
const RENTED = 'rented '

export interface CostFlowProps {
  view: ChargebackView
  sums: CostSums
  currency: string
}

export function CostFlow({ view, sums, currency }: CostFlowProps) {
  const layout = useMemo(() => layoutFlow(costFlows(view), COLUMNS), [view])
  const tenants = useTenantNames()
  const engines = new Map(view.engines.map(({ engineId, name }) => [engineId, name]))
  const orOthers = (nameOf: (id: string) => string) => (id: string) =>
    id === OTHERS ? 'all others' : nameOf(id)
  const payer = orOthers((id) => (id === NOBODY ? 'unallocated' : (tenants.get(id)?.name ?? id)))
  return (
    <Card
      title="Where it went"
      note={`${currency}; classes by the service units that were settled on each engine`}
    >
      <div className="overflow-x-auto slim-scroll">
        <FlowPicture
          layout={layout}
          columns={[
            {
              title: 'Cost of',
              look: 'right',
              nameOf: orOthers((id) =>
                id.startsWith(RENTED) ? id.slice(RENTED.length) : (engines.get(id) ?? id),
              ),
              noteOf: (id) => (id.startsWith(RENTED) ? 'rented' : ''),
            },
            {
              title: 'Class',
              look: 'box',
              nameOf: orOthers((id) => (id === NOBODY ? 'nobody’s' : id)),
            },
            { title: 'Who pays', look: 'box', nameOf: payer },
            { title: 'What for', look: 'left', nameOf: orOthers(endInWords) },
          ]}
          hueOf={(id) => tenants.get(id)?.hue ?? -1}
          short={(nanos) => shortMoney(BigInt(Math.round(nanos)))}
          long={(nanos) => money(BigInt(Math.round(nanos)), currency)}
          marked="wasted"
          ownerOf={payer}
        />
      </div>
      <Proof sums={sums} currency={currency} isWhole={view.unallocated !== null} />
    </Card>
  )
}

function Proof({
  sums,
  currency,
  isWhole,
}: {
  sums: CostSums
  currency: string
  isWhole: boolean
}) {
  const look = 'mt-3 text-[0.78rem] text-soft tabular-nums'
  const { cost, tenants, unallocated } = sums
  if (!isWhole) {
    return <p className={look}>Only your tenants’ part of {money(cost, currency)} is shown.</p>
  }
  const off = cost - tenants - unallocated
  const parts = `Tenants ${money(tenants)} + unallocated ${money(unallocated)}`
  if (off === 0n) {
    return (
      <p className={look}>
        {parts} = {money(cost, currency)}, all that engines and rented services cost, to the
        nano-unit.
      </p>
    )
  }
  return (
    <p className="mt-3 text-[0.78rem] text-bad">
      {parts} is {money(off < 0n ? -off : off, currency)} {off < 0n ? 'more' : 'less'} than all that
      was paid, {money(cost, currency)}. This must not be; please report it.
    </p>
  )
}
