/** One budget: its bar, when it renews, what it would refuse next, and changing or ending it. */
import type { BudgetView } from '../api/contract.ts'
import { hueStyle } from '../hues.ts'
import { RowButton } from '../parts/row-button.tsx'
import { TenantName } from '../parts/tenant-name.tsx'
import { percent } from '../units.ts'
import {
  amountOf,
  nextRefusal,
  periodWords,
  renewalOf,
  sharesOf,
  stateOf,
  stateWords,
} from './budget-words.ts'

export interface BudgetCardProps {
  budget: BudgetView
  tenant: { name: string; hue: number }
  /** Whom within the tenant it is for. */
  scope: string
  onAlerts: () => void
  /** undefined where the person may not. */
  onEdit: (() => void) | undefined
  onEnd: (() => void) | undefined
}

export function BudgetCard({ budget, tenant, scope, onAlerts, onEdit, onEnd }: BudgetCardProps) {
  const { name, isHard, isPrepaid, period, limit, spent, reserved, left } = budget
  const state = stateOf(budget)
  const amount = (text: string) => amountOf(budget, text)
  const looks = { empty: 'text-bad', tight: 'text-warn', open: 'text-soft', each: 'text-soft' }
  return (
    <li className="border-t py-3.5 first:border-t-0 first:pt-1">
      <div className="flex flex-wrap items-baseline justify-between gap-x-4 gap-y-1">
        <h3 className="min-w-0 font-[580]">
          {name}{' '}
          <span className={`text-[0.78rem] font-normal ${looks[state]}`}>{stateWords[state]}</span>
        </h3>
        <p className="tabular-nums">
          <span className="font-[580]">{amount(limit)}</span>{' '}
          <span className="text-[0.78rem] text-soft">{periodWords[period]}</span>
        </p>
      </div>
      <p className="mt-0.5 flex flex-wrap items-center gap-x-3 text-[0.78rem] text-soft">
        <TenantName {...tenant} />
        <span>{scope}</span>
        <span>{isPrepaid ? 'paid before' : isHard ? 'hard' : 'soft'}</span>
        <span>{renewalOf(budget)}</span>
      </p>
      {state !== 'each' && (
        <>
          <Bar budget={budget} hue={tenant.hue} />
          <p className="mt-1.5 flex flex-wrap gap-x-4 text-[0.78rem] text-soft tabular-nums">
            <span>
              {amount(spent)} spent, {percent(sharesOf(budget).spent)}
            </span>
            <span title="For requests that run, or leased to gateways">
              {amount(reserved)} set aside
            </span>
            <span>{amount(left)} left</span>
          </p>
        </>
      )}
      <div className="mt-1.5 flex flex-wrap items-baseline justify-between gap-x-4 gap-y-1">
        <p className="min-w-0 text-[0.82rem]">{nextRefusal(budget)}</p>
        <p className="flex gap-4">
          {state !== 'each' && (
            <RowButton onClick={onAlerts} aria-label={`Alerts of ${name}`}>
              Alerts
            </RowButton>
          )}
          {onEdit !== undefined && (
            <RowButton onClick={onEdit} aria-label={`Change ${name}`}>
              Change
            </RowButton>
          )}
          {onEnd !== undefined && (
            <RowButton onClick={onEnd} aria-label={`End ${name}`}>
              End
            </RowButton>
          )}
        </p>
      </div>
    </li>
  )
}

function Bar({ budget, hue }: { budget: BudgetView; hue: number }) {
  const { spent, reserved } = sharesOf(budget)
  const width = (share: number) => `${Math.min(1, Math.max(0, share)) * 100}%`
  const isOver = spent >= 1
  const words = `${percent(spent)} spent, ${percent(reserved)} set aside`
  return (
    <div
      role="img"
      aria-label={words}
      title={words}
      style={hueStyle(hue)}
      className="tenant mt-2 flex h-2.5 overflow-hidden rounded-[3px] bg-sunk"
    >
      <i style={{ width: width(spent) }} className={isOver ? 'bg-bad' : 'bg-tenant'} />
      <i style={{ width: width(Math.min(reserved, 1 - spent)) }} className="hatched" />
    </div>
  )
}
