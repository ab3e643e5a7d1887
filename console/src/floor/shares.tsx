/** Each tenant's share of the last minute against what its weight entitles it to. */
import { memo, useState } from 'react'
import { Link } from 'wouter'
import { useCalmFeed } from '../api/live.ts'
import { hueStyle } from '../hues.ts'
import { Card } from '../parts/card.tsx'
import { MoreButton } from '../parts/more-button.tsx'
import { Swatch } from '../parts/tenant-name.tsx'
import { finePercent, percent, weights } from '../units.ts'
import { ordered, shareOf, totalsOf } from './floor-model.ts'

const ROWS_MAX = 9

export function Shares() {
  const { floor, state } = useCalmFeed()
  const [isOpen, setOpen] = useState(false)
  const tenants = ordered(floor?.tenants ?? [])
  const totals = totalsOf(tenants)
  const shares = tenants.map((tenant) => ({ tenant, share: shareOf(tenant, totals) }))
  const largest = shares.map(({ share }) =>
    Math.max(share.own + share.borrowed, share.entitled ?? 0),
  )
  const scale = scaleFor(Math.max(0, ...largest))
  const shown = isOpen ? shares : shares.slice(0, ROWS_MAX)
  return (
    <Card title="Shares" note="service of the last minute" isStale={state.kind === 'lost'}>
      <ul className="grid gap-0.5">
        {shown.map(({ tenant, share }) => (
          <ShareRow
            key={tenant.id}
            id={tenant.id}
            name={tenant.name}
            hue={tenant.hue}
            weight={weights(tenant.weight)}
            inFlight={tenant.inFlight}
            waiting={tenant.waiting}
            own={round(share.own)}
            borrowed={round(share.borrowed)}
            entitled={share.entitled === null ? null : round(share.entitled)}
            scale={scale}
            isShort={tenants.length > ROWS_MAX}
          />
        ))}
      </ul>
      <MoreButton total={shares.length} shown={ROWS_MAX} isOpen={isOpen} onToggle={setOpen} />
      {floor !== null && totals.service === 0 && (
        <p className="py-2 text-[0.8rem] text-soft">Nobody was served in the last minute.</p>
      )}
      <p className="mt-3 flex flex-wrap gap-x-4 gap-y-1 text-[0.75rem] text-soft">
        <span className="inline-flex items-center gap-1.5">
          <i aria-hidden className="inline-block h-3 w-0.5 bg-ink" /> entitled by weight
        </span>
        <span>lighter = borrowed while others are idle</span>
        {totals.service > 0 && <span>full bar = {percent(scale)}</span>}
      </p>
    </Card>
  )
}

const scales = [0.05, 0.1, 0.2, 0.4, 0.6, 0.8]

/** What a full bar stands for: few steps, so that bars do not breathe. */
const scaleFor = (largest: number) => scales.find((scale) => largest <= scale * 0.97) ?? 1

/** To a tenth of a per cent, so that rows change only when their picture does. */
const round = (share: number) => Math.round(share * 1000) / 1000

interface ShareRowProps {
  id: string
  name: string
  hue: number
  /** Of one tenant, or of all that are out of reach. */
  weight: string
  inFlight: number
  waiting: number
  own: number
  borrowed: number
  entitled: number | null
  scale: number
  /** One line instead of two, where there are many tenants. */
  isShort: boolean
}

const ShareRow = memo(function ShareRow(props: ShareRowProps) {
  const { id, name, hue, weight, inFlight, waiting, own, borrowed, entitled, scale, isShort } =
    props
  const got = own + borrowed
  const title =
    entitled === null
      ? `${name}, weight ${weight}: wanted no service in the last minute`
      : `${name}, weight ${weight}: ${percent(got, 1)} of all service, ${percent(entitled, 1)} entitled, ${percent(borrowed, 1)} borrowed`
  return (
    <li
      title={title}
      style={hueStyle(hue)}
      className={`tenant grid ${isShort ? 'min-h-[30px]' : 'min-h-[38px]'} grid-cols-[minmax(4.6rem,7rem)_1fr_7.8rem] items-center gap-3`}
    >
      <span className="min-w-0 leading-tight">
        <TenantLink id={id} name={name} hue={hue} />
        {!isShort && (
          <span className="block truncate pl-[17px] text-[0.72rem] text-soft">weight {weight}</span>
        )}
      </span>
      <span className="relative h-3.5 rounded-[4px] bg-sunk">
        <span className="absolute inset-0 overflow-hidden rounded-[4px]">
          <Bar from={0} width={own / scale} className="bg-tenant" />
          <Bar from={own / scale} width={borrowed / scale} className="bg-tenant/45" />
        </span>
        {entitled !== null && (
          <i
            aria-hidden
            className="absolute -inset-y-1 w-0.5 bg-ink"
            style={{ left: `${((entitled / scale) * 100).toFixed(1)}%` }}
          />
        )}
      </span>
      <span className="text-right text-[0.8rem] leading-tight text-soft tabular-nums">
        <b className="font-[580] text-ink">{finePercent(got)}</b>
        {entitled === null ? '' : ` of ${finePercent(entitled)}`}
        {!isShort && (
          <span className="block text-[0.72rem] whitespace-nowrap">
            {inFlight} running{waiting === 0 ? '' : ` · ${waiting} waiting`}
          </span>
        )}
      </span>
    </li>
  )
})

function TenantLink({ id, name, hue }: { id: string; name: string; hue: number }) {
  const inside = (
    <>
      <Swatch hue={hue} />
      <span className="truncate font-[560]">{name}</span>
    </>
  )
  const look = 'flex min-w-0 items-center gap-2'
  // Tenants out of reach come as one row without a page of their own.
  if (hue < 0) return <span className={look}>{inside}</span>
  return (
    <Link href={`/tenants/${id}`} className={`${look} hover:underline`}>
      {inside}
    </Link>
  )
}

function Bar({ from, width, className }: { from: number; width: number; className: string }) {
  return (
    <i
      aria-hidden
      className={`absolute inset-y-0 ${className}`}
      style={{ left: `${(from * 100).toFixed(1)}%`, width: `${(width * 100).toFixed(1)}%` }}
    />
  )
}
