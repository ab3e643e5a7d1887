/** One slot: whose request it runs, its class, and how far it is. Only its fill moves. */
import { memo } from 'react'
import type { ServiceClassName, SlotView } from '../api/contract.ts'
import { hueStyle } from '../hues.ts'
import { count } from '../units.ts'

export interface SlotTileProps {
  tenant: string
  hue: number
  serviceClass: ServiceClassName
  done: number
  max: number
  state: SlotView['state']
  express: boolean
  isSmall: boolean
}

/** Priority is the full shade, flex a lighter one; batch is hatched. */
const fills: Record<ServiceClassName, string> = {
  priority: 'bg-tenant/38',
  standard: 'bg-tenant/26',
  flex: 'bg-tenant/14',
  batch: 'hatched',
}

export const SlotTile = memo(function SlotTile(props: SlotTileProps) {
  const { tenant, hue, serviceClass, done, max, state, express, isSmall } = props
  const part = state === 'prompt' ? 0 : Math.min(1, done / Math.max(1, max))
  const progress = state === 'prompt' ? 'reads prompt' : `${count(done)} / ${count(max)}`
  const frame = `tenant relative overflow-hidden border bg-tenant/9 border-tenant/32 ${
    express ? 'border-dashed border-tenant/70' : ''
  } ${isSmall ? 'h-9 rounded-md px-1.5 py-1' : 'h-[74px] rounded-[9px] px-2.5 py-2'}`
  const title = `${tenant}, ${serviceClass}${express ? ', express' : ''}: ${progress} tokens of its limit`
  return (
    <li className={frame} style={hueStyle(hue)} title={title}>
      <i
        aria-hidden
        className={`absolute inset-0 origin-bottom will-change-transform ${fills[serviceClass]} ${
          isSmall
            ? ''
            : 'motion-safe:transition-transform motion-safe:duration-250 motion-safe:ease-linear'
        }`}
        style={{ transform: `translateY(${((1 - part) * 100).toFixed(1)}%)` }}
      />
      {isSmall ? (
        <b className="relative block truncate text-[0.68rem] leading-tight font-medium">{tenant}</b>
      ) : (
        <>
          <b className="relative block truncate text-[0.82rem] leading-snug font-[600]">{tenant}</b>
          <span className="relative block truncate text-[0.75rem] text-ink/85">{serviceClass}</span>
          <span className="absolute right-2.5 bottom-1.5 text-[0.75rem] font-[550] tabular-nums">
            {progress}
          </span>
        </>
      )}
    </li>
  )
})

export const FreeSlot = memo(function FreeSlot(props: { express: boolean; isSmall: boolean }) {
  const { express, isSmall } = props
  return (
    <li
      title={express ? 'Free; kept for a tenant below its share' : 'Free'}
      className={`grid place-items-center border text-soft ${
        express ? 'border-dashed border-edge/60' : 'border-line bg-sunk/40'
      } ${isSmall ? 'h-9 rounded-md text-[0.68rem]' : 'h-[74px] rounded-[9px] text-[0.78rem]'}`}
    >
      {express && !isSmall ? 'express, free' : 'free'}
    </li>
  )
})
