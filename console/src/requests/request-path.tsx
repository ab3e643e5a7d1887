/** A request's way from the door to the engine: its time as a bar, and what happened when. */
import type { RequestView } from '../api/contract.ts'
import { useEngines } from '../api/lists.ts'
import { useMayOfAll } from '../api/session.ts'
import { Card } from '../parts/card.tsx'
import { useRoutes } from '../routes/route-data.ts'
import { clockTime, duration } from '../units.ts'
import { type Moment, momentsOf, sentAfter } from './request-moments.ts'

interface Leg {
  name: string
  ms: number
  look: string
  note: string
}

export function RequestPath({ request }: { request: RequestView }) {
  const engines = new Map(useEngines().data?.map(({ id, name }) => [id, name]))
  const { data: set } = useRoutes(useMayOfAll('routes:read'))
  const { model } = request
  const route = set?.routes.find(({ name, aliases }) => name === model || aliases.includes(model))
  const moments = momentsOf(request, (id) => engines.get(id) ?? id, route?.name)
  const legs = legsOf(request)
  const total = legs.reduce((sum, { ms }) => sum + ms, 0)
  const note = request.settledAt === null ? 'so far' : `${duration(total)} from the door to its end`
  return (
    <Card title="Its way" note={note}>
      {total > 0 && <Legs legs={legs} />}
      <ol className={total > 0 ? 'mt-5' : ''}>
        {moments.map((one) => (
          <Stop key={one.name} moment={one} arrivedAt={request.arrivedAt} />
        ))}
      </ol>
      <p className="mt-3 border-t pt-2.5 text-[0.75rem] text-soft">
        The ledger names the engine that was asked last. Tries before it that failed without a token
        are not on it; their time is in the queue’s.
      </p>
    </Card>
  )
}

function Legs({ legs }: { legs: readonly Leg[] }) {
  return (
    <div className="flex h-7 overflow-hidden rounded-md" aria-hidden>
      {legs.map(({ name, ms, look, note }) => (
        <i
          key={name}
          title={`${name}: ${duration(ms)}. ${note}`}
          className={`min-w-0.5 basis-0 border-r-2 border-surface last:border-r-0 ${look}`}
          style={{ flexGrow: ms }}
        />
      ))}
    </div>
  )
}

/** A moment on the line that leads from the door to the end. */
function Stop({ moment, arrivedAt }: { moment: Moment; arrivedAt: string }) {
  const { name, afterMs, note, look } = moment
  const ring = look === '' ? 'border-2 border-edge bg-surface' : look
  return (
    <li className="group grid grid-cols-[4.6rem_0.75rem_minmax(0,1fr)] gap-x-3 text-[0.84rem]">
      <span className="text-right text-soft tabular-nums">
        {afterMs === null ? '' : `+${duration(afterMs)}`}
      </span>
      <span aria-hidden className="relative flex justify-center">
        <i className="absolute top-2 bottom-[-0.5rem] w-px bg-edge/60 group-last:hidden" />
        <i className={`relative mt-[0.3rem] size-2.5 rounded-full ${ring}`} />
      </span>
      <span className="pb-3">
        <b className="font-[580]">{name}</b>
        {afterMs !== null && (
          <time className="ml-2 text-[0.75rem] text-soft tabular-nums">
            {clockTime(Date.parse(arrivedAt) + afterMs)}
          </time>
        )}
        {note !== '' && <span className="block text-[0.78rem] text-soft">{note}</span>}
      </span>
    </li>
  )
}

function legsOf(request: RequestView): Leg[] {
  const { engineMs, ttftMs, engineId } = request
  const queueMs = sentAfter(request)
  if (queueMs === null || engineMs === null) return []
  const prompt = ttftMs === null ? engineMs : Math.min(engineMs, Math.max(0, ttftMs - queueMs))
  const queue = {
    name: 'in the queue',
    ms: queueMs,
    look: 'hatched border',
    note: queueMs === 0 ? 'a slot was free' : 'until a slot was its turn',
  }
  if (engineId === null) return [queue]
  return [
    queue,
    {
      name: ttftMs === null ? 'on the engine' : 'to the first token',
      ms: prompt,
      look: 'bg-(--grain-2)',
      note: 'sent to the engine, prompt read',
    },
    {
      name: 'streaming',
      ms: engineMs - prompt,
      look: 'bg-(--grain-1)',
      note: 'first token to the end',
    },
  ]
}
