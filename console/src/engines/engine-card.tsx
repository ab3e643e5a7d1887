/** One engine: state with its reason, slots, what it can do, and its way out. */
import { Lightbulb } from 'lucide-react'
import { useState } from 'react'
import { useChange } from '../api/changes.ts'
import type { EngineView } from '../api/contract.ts'
import { Button } from '../parts/button.tsx'
import { Card } from '../parts/card.tsx'
import { Confirm } from '../parts/confirm.tsx'
import { ErrorNote } from '../parts/error-note.tsx'
import { shellWord } from '../parts/shell-word.ts'
import { ago, count, duration, plural, rate } from '../units.ts'
import { Calibration } from './calibration.tsx'
import { EngineCost } from './engine-cost.tsx'
import { History } from './history.tsx'

const looks: Record<EngineView['state'], { dot: string; words: string }> = {
  up: { dot: 'bg-good rounded-full', words: 'up' },
  starting: { dot: 'border border-edge rounded-full', words: 'starting' },
  draining: { dot: 'bg-warn rounded-[2px]', words: 'draining' },
  down: { dot: 'bg-bad rounded-[2px]', words: 'down' },
}

export function EngineCard({ engine, mayWrite }: { engine: EngineView; mayWrite: boolean }) {
  const { name, state, stateReason, sinceAt, url, embedded } = engine
  const { dot, words } = looks[state]
  return (
    <Card
      title={name}
      note={
        <span className="inline-flex items-center gap-1.5">
          <i aria-hidden className={`size-[7px] ${dot}`} />
          <span className="text-ink">{words}</span> for{' '}
          {duration(Math.max(0, Date.now() - Date.parse(sinceAt)))}
        </span>
      }
    >
      <p className={state === 'down' ? 'text-bad' : 'text-soft'}>{stateReason}</p>
      <p className="mt-1 text-[0.82rem]">{engine.summary}.</p>
      {engine.advice !== null && (
        <p className="mt-2.5 flex gap-2.5 rounded-lg border border-warn/45 px-3 py-2 text-[0.82rem]">
          <Lightbulb size={15} aria-hidden className="mt-0.5 shrink-0 text-warn" />
          <span>
            <span className="font-[580] text-warn">Could be better.</span> {engine.advice}
          </span>
        </p>
      )}
      <Slots engine={engine} />
      <Limits engine={engine} />
      <dl className="mt-3 grid grid-cols-[repeat(auto-fill,minmax(min(46%,11rem),1fr))] gap-x-6 gap-y-2.5 text-[0.82rem]">
        {factsOf(engine).map(({ name: fact, value, note }) => (
          <div key={fact} title={note} className="min-w-0">
            <dt className="text-[0.75rem] text-soft">{fact}</dt>
            <dd className="break-words">{value}</dd>
          </div>
        ))}
      </dl>
      <History engine={engine} />
      <Calibration engine={engine} mayWrite={mayWrite} />
      <EngineCost engine={engine} />
      <div className="mt-3 flex flex-wrap items-center justify-between gap-2 border-t pt-3">
        <code className="min-w-0 truncate font-mono text-[0.75rem] text-soft">
          {embedded ? 'built in' : url}
        </code>
        {mayWrite && !embedded && <Actions engine={engine} />}
      </div>
    </Card>
  )
}

function Slots({ engine: { cap, express, inFlight, state } }: { engine: EngineView }) {
  const places = cap + express
  if (places === 0 || places > 256) return null
  return (
    <div
      role="img"
      aria-label={`${inFlight} of ${cap} slots and ${express} express slots are busy`}
      title={`${inFlight} in flight; ${cap} slots, ${express} express`}
      className={`mt-3 flex flex-wrap gap-[3px] ${state === 'down' ? 'opacity-50' : ''}`}
    >
      {Array.from({ length: places }, (_, at) => (
        <i
          // biome-ignore lint/suspicious/noArrayIndexKey: nothing but places
          key={at}
          className={`h-4 max-w-7 min-w-2.5 flex-1 rounded-[3px] border ${
            at >= cap ? 'border-dashed border-edge' : 'border-line'
          } ${at < inFlight ? 'bg-(--grain-1)' : 'bg-sunk/50'}`}
        />
      ))}
    </div>
  )
}

/** Cap and reserve, each with the reason why it is as it is. */
function Limits({ engine }: { engine: EngineView }) {
  const { cap, express, capReason, reserve, reserveReason } = engine
  const rows = [
    { name: 'Cap', value: `${cap} + ${express} express`, reason: capReason },
    {
      name: 'Reserve',
      value: reserve === 0 ? 'none' : `${reserve} of ${cap}`,
      reason: reserveReason,
    },
  ]
  return (
    <dl className="mt-3 grid gap-1.5 text-[0.82rem]">
      {rows.map(({ name, value, reason }) => (
        <div
          key={name}
          className="grid grid-cols-[4.5rem_1fr] gap-x-3 sm:grid-cols-[4.5rem_7rem_1fr]"
        >
          <dt className="text-soft" title={limitNotes[name]}>
            {name}
          </dt>
          <dd className="font-[580] tabular-nums">{value}</dd>
          <dd className="text-soft max-sm:col-start-2">{reason}</dd>
        </div>
      ))}
    </dl>
  )
}

const limitNotes: Record<string, string> = {
  Cap: 'Requests in flight at most; express places are for tenants below their share',
  Reserve: 'Places of the cap that background work never has',
}

function prefixCacheOf({ sharedCache, takesCacheSalt, promptSlots }: EngineView): string {
  if (sharedCache) return 'shared cache'
  if (takesCacheSalt) return 'kept apart by tenant'
  return promptSlots === null ? 'keeps no prompts' : 'kept apart by slot'
}

function factsOf(engine: EngineView) {
  const { inFlight, capacityUnitsPerS, calibratedAt, restarts } = engine
  const kind = [engine.kind, engine.version].filter(Boolean).join(' ')
  return [
    { name: 'In flight', value: count(inFlight), note: 'Requests that run there now' },
    {
      name: 'Capacity',
      value:
        capacityUnitsPerS === null
          ? 'not calibrated yet'
          : `${rate(capacityUnitsPerS)} units/s, ${measuredInWords(calibratedAt)}`,
      note: 'Highest sustained service, cost units per second',
    },
    { name: 'Engine', value: kind, note: 'What it says it is' },
    {
      name: 'Right of way',
      value: engine.takesPriority ? 'by rank' : 'first come, first served',
      note: engine.takesPriority
        ? 'It reads better-ranked prompts first'
        : 'It takes no priority: turn that on there, and batch disturbs less',
    },
    {
      name: 'Prefix cache',
      value: prefixCacheOf(engine),
      note: engine.sharedCache
        ? 'A tenant can tell by the time of an answer whether another one has sent the same prompt'
        : 'No tenant learns what another one sent',
    },
    {
      name: 'Its own load',
      value: engine.tellsLoad ? 'told every second' : 'unknown: it tells nothing',
      note: engine.tellsLoad
        ? 'What runs and waits inside it; the cap follows'
        : 'The cap can follow only what is seen from outside',
    },
    { name: 'Restarts', value: count(restarts), note: 'Since this gateway started' },
    {
      name: 'Models',
      value: engine.models.map(modelInWords).join(', ') || 'none',
      note: 'What it serves, with its context',
    },
  ]
}

const measuredInWords = (at: string | null) =>
  at === null ? 'as it says itself' : `measured ${ago(at, Date.now())}`

const modelInWords = ({ name, contextTokens, toy, embedsOnly }: EngineView['models'][number]) =>
  `${name}${contextTokens === null ? '' : `, ${count(contextTokens)} context`}${toy ? ' (toy)' : ''}${embedsOnly ? ', embeds' : ''}`

function Actions({ engine }: { engine: EngineView }) {
  const { id, name, state, inFlight } = engine
  // A replica goes with all others of its name.
  const whole = engine.replicaOf ?? engine
  const [open, setOpen] = useState<'drain' | 'remove' | null>(null)
  const close = () => setOpen(null)
  const drain = useChange<EngineView>(['/api/engines'], close)
  const resume = useChange<EngineView>(['/api/engines'])
  const remove = useChange(['/api/engines', '/api/models'], close)
  return (
    <>
      <div className="flex gap-2">
        {state === 'draining' ? (
          <Button
            disabled={resume.isPending}
            onClick={() => resume.mutate({ method: 'POST', path: `/api/engines/${id}/resume` })}
            title={`gristmill engine resume ${shellWord(name)}`}
          >
            Resume
          </Button>
        ) : (
          <Button onClick={() => setOpen('drain')}>Drain</Button>
        )}
        <Button look="danger" onClick={() => setOpen('remove')}>
          Remove
        </Button>
      </div>
      {resume.error !== null && <ErrorNote error={resume.error} />}
      <Confirm
        title={`Drain ${name}?`}
        isOpen={open === 'drain'}
        onClose={close}
        action={`Drain ${name}`}
        command={`gristmill engine drain ${shellWord(name)}`}
        isBusy={drain.isPending}
        error={drain.error}
        onConfirm={() => drain.mutate({ method: 'POST', path: `/api/engines/${id}/drain` })}
      >
        It finishes what runs there and gets nothing new until you resume it.
      </Confirm>
      <Confirm
        title={`Remove ${whole.name}?`}
        isOpen={open === 'remove'}
        onClose={close}
        action={`Remove ${whole.name}`}
        command={`gristmill engine remove ${shellWord(whole.name)}`}
        isBusy={remove.isPending}
        error={remove.error}
        onConfirm={() => remove.mutate({ method: 'DELETE', path: `/api/engines/${whole.id}` })}
      >
        {engine.replicaOf !== null && 'All its replicas go with it. '}
        {inFlight === 0
          ? 'Nothing runs there.'
          : `${plural(inFlight, 'request runs', 'requests run')} there and will be cut. Drain it first to let what runs finish.`}
      </Confirm>
    </>
  )
}
