/** A request's time as a bar: in the queue, until the first token, while it streamed. */
import type { RequestView } from '../api/contract.ts'
import { Card } from '../parts/card.tsx'
import { duration } from '../units.ts'

interface Leg {
  name: string
  ms: number
  look: string
  note: string
}

export function RequestPath({ request }: { request: RequestView }) {
  const legs = legsOf(request)
  const total = legs.reduce((sum, { ms }) => sum + ms, 0)
  if (total === 0) {
    return (
      <Card title="Its way">
        <p className="text-soft">Times are on the ledger once the request is settled.</p>
      </Card>
    )
  }
  return (
    <Card title="Its way" note={`from the door to the last token, ${duration(total)}`}>
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
      <ol className="mt-3 grid gap-x-6 gap-y-2 text-[0.82rem] sm:grid-cols-3">
        {legs.map(({ name, ms, look, note }) => (
          <li key={name} className="flex items-baseline gap-2">
            <i aria-hidden className={`size-2.5 shrink-0 rounded-[3px] ${look}`} />
            <span>
              <b className="font-[580]">{duration(ms)}</b> {name}
              <span className="block text-[0.75rem] text-soft">{note}</span>
            </span>
          </li>
        ))}
      </ol>
    </Card>
  )
}

function legsOf({ queueMs, engineMs, ttftMs, engineId }: RequestView): Leg[] {
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
