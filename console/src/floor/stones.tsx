/** Every slot of every engine, as they fill and drain. */
import { useRef } from 'react'
import { Link } from 'wouter'
import { useLiveFeed } from '../api/live.ts'
import { Card } from '../parts/card.tsx'
import type { FloorEngine, FloorTenant } from './floor-model.ts'
import { type Seats, seat } from './seating.ts'
import { FreeSlot, SlotTile } from './slot-tile.tsx'

/** Above this many slots on the floor, tiles are small and say only whose they are. */
const LARGE_TILES_MAX = 24

export function Stones() {
  const { floor, state } = useLiveFeed()
  const engines = floor?.engines ?? []
  const tenants = new Map(floor?.tenants.map((tenant) => [tenant.id, tenant]))
  const places = engines.reduce((sum, { cap, express }) => sum + cap + express, 0)
  return (
    <Card title="Stones" note="what every slot is grinding now" isStale={state.kind === 'lost'}>
      <div className="grid min-h-[13rem] content-start gap-4">
        {floor === null && <LoadingSlots />}
        {floor !== null && engines.length === 0 && <NoEngines />}
        {engines.map((engine) => (
          <EngineSlots
            key={engine.id}
            engine={engine}
            tenants={tenants}
            isSmall={places > LARGE_TILES_MAX}
          />
        ))}
      </div>
      <p className="mt-3 flex flex-wrap gap-x-4 gap-y-1 text-[0.75rem] text-soft">
        <span>fill = output tokens of the request’s limit</span>
        <span className="inline-flex items-center gap-1.5">
          <i aria-hidden className="hatched inline-block size-2.5 rounded-[3px] border" /> batch
        </span>
        <span className="inline-flex items-center gap-1.5">
          <i
            aria-hidden
            className="inline-block size-2.5 rounded-[3px] border border-dashed border-edge"
          />
          express, kept for a tenant below its share
        </span>
      </p>
    </Card>
  )
}

interface EngineSlotsProps {
  engine: FloorEngine
  tenants: ReadonlyMap<string, FloorTenant>
  isSmall: boolean
}

function EngineSlots({ engine, tenants, isSmall }: EngineSlotsProps) {
  const seats = useRef<Seats>([])
  seats.current = seat(seats.current, engine.slots, engine.cap, engine.express)
  const running = new Map(engine.slots.map((slot) => [slot.requestId, slot]))
  const size = isSmall
    ? 'grid-cols-[repeat(auto-fill,minmax(64px,1fr))] gap-1'
    : 'grid-cols-[repeat(auto-fill,minmax(min(96px,29%),1fr))] gap-2'
  return (
    <div className={engine.state === 'up' || engine.state === 'draining' ? '' : 'opacity-70'}>
      <p className="mb-2 flex flex-wrap justify-between gap-x-4 gap-y-0.5 text-[0.8rem] text-soft">
        <span>
          <Link href="/engines" className="font-[580] text-ink hover:underline">
            {engine.name}
          </Link>{' '}
          · {engine.model}
        </span>
        <Limits engine={engine} />
      </p>
      <ul className={`grid ${size}`}>
        {seats.current.map((id, place) => {
          const slot = id === null ? undefined : running.get(id)
          const tenant = slot && tenants.get(slot.tenantId)
          return slot === undefined ? (
            // biome-ignore lint/suspicious/noArrayIndexKey: a place is what its index says
            <FreeSlot key={place} express={place >= engine.cap} isSmall={isSmall} />
          ) : (
            <SlotTile
              key={slot.requestId}
              tenant={tenant?.name ?? 'another tenant'}
              hue={tenant?.hue ?? 0}
              serviceClass={slot.serviceClass}
              done={slot.outputTokens}
              max={slot.outputTokensMax}
              state={slot.state}
              express={slot.express}
              isSmall={isSmall}
            />
          )
        })}
      </ul>
    </div>
  )
}

/** Cap and reserve, each with its reason in the hover, and below why the last of them changed. */
function Limits({ engine }: { engine: FloorEngine }) {
  const { state, stateReason, cap, capReason, express, reserve, reserveReason, lastChange } = engine
  if (state !== 'up') return <span>{stateReason}</span>
  return (
    <>
      <span>
        <span title={capReason}>
          cap <b className="font-[580] text-ink">{cap}</b> + {express} express
        </span>
        {' · '}
        <span title={`Kept free of background work. ${reserveReason}`}>
          reserve <b className="font-[580] text-ink">{reserve}</b>
        </span>
      </span>
      <span className="w-full text-[0.75rem]" title="Why cap or reserve changed last">
        last change: {lastChange}
      </span>
    </>
  )
}

function LoadingSlots() {
  return (
    <div
      aria-hidden
      className="grid grid-cols-[repeat(auto-fill,minmax(min(96px,29%),1fr))] gap-2 pt-7"
    >
      {Array.from({ length: 9 }, (_, place) => (
        // biome-ignore lint/suspicious/noArrayIndexKey: nothing but places
        <div key={place} className="h-[74px] rounded-[9px] bg-sunk/60" />
      ))}
    </div>
  )
}

function NoEngines() {
  return (
    <p className="py-10 text-center text-soft">
      Slots appear here as soon as an engine is there.{' '}
      <Link href="/engines" className="text-accent underline">
        Add an engine
      </Link>
    </p>
  )
}
