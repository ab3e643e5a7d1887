/** Each tenant's share of the last minute against what its weight entitles it to. */
import { memo, useState } from 'react'
import { Link } from 'wouter'
import { useCalmFeed } from '../api/live.ts'
import { hueStyle } from '../hues.ts'
import { Card } from '../parts/card.tsx'
import { MoreButton } from '../parts/more-button.tsx'
import { Swatch } from '../parts/tenant-name.tsx'
import { percent } from '../units.ts'
import { ordered, shareOf, totalService } from './floor-model.ts'

const ROWS_MAX = 9

export function Shares() {
  const { floor, state } = useCalmFeed()
  const [isOpen, setOpen] = useState(false)
  const tenants = ordered(floor?.tenants ?? [])
  const total = totalService(tenants)
  const shares = tenants.map((tenant) => ({ tenant, share: shareOf(tenant, total) }))
  const largest = Math.max(
    0.4,
    ...shares.map(({ share }) => Math.max(share.own + share.borrowed, share.entitled ?? 0)),
  )
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
            weight={tenant.weight}
            own={round(share.own)}
            borrowed={round(share.borrowed)}
            entitled={share.entitled === null ? null : round(share.entitled)}
            scale={round(largest)}
          />
        ))}
      </ul>
      <MoreButton total={shares.length} shown={ROWS_MAX} isOpen={isOpen} onToggle={setOpen} />
      {floor !== null && total === 0 && (
        <p className="py-2 text-[0.8rem] text-soft">Nobody was served in the last minute.</p>
      )}
      <p className="mt-3 flex flex-wrap gap-x-4 gap-y-1 text-[0.75rem] text-soft">
        <span className="inline-flex items-center gap-1.5">
          <i aria-hidden className="inline-block h-3 w-0.5 bg-ink" /> entitled by weight
        </span>
        <span>lighter = borrowed while others are idle</span>
      </p>
    </Card>
  )
}

/** To a tenth of a per cent, so that rows change only when their picture does. */
const round = (share: number) => Math.round(share * 1000) / 1000

interface ShareRowProps {
  id: string
  name: string
  hue: number
  weight: number
  own: number
  borrowed: number
  entitled: number | null
  scale: number
}

const ShareRow = memo(function ShareRow(props: ShareRowProps) {
  const { id, name, hue, weight, own, borrowed, entitled, scale } = props
  const got = own + borrowed
  const title =
    entitled === null
      ? `${name}, weight ${weight}: wanted no service in the last minute`
      : `${name}, weight ${weight}: ${percent(got, 1)} of all service, ${percent(entitled, 1)} entitled, ${percent(borrowed, 1)} borrowed`
  return (
    <li
      title={title}
      style={hueStyle(hue)}
      className="tenant grid h-[30px] grid-cols-[minmax(5rem,7.5rem)_1fr_6.3rem] items-center gap-3"
    >
      <Link href={`/tenants/${id}`} className="flex min-w-0 items-center gap-2 hover:underline">
        <Swatch hue={hue} />
        <span className="truncate font-[560]">{name}</span>
      </Link>
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
      <span className="text-right text-[0.8rem] text-soft">
        <b className="font-[580] text-ink">{percent(got)}</b>
        {entitled === null ? '' : ` of ${percent(entitled)}`}
      </span>
    </li>
  )
})

function Bar({ from, width, className }: { from: number; width: number; className: string }) {
  return (
    <i
      aria-hidden
      className={`absolute inset-y-0 ${className}`}
      style={{ left: `${(from * 100).toFixed(1)}%`, width: `${(width * 100).toFixed(1)}%` }}
    />
  )
}
