/** The engines behind the pool: health, slots, what they serve, adding and removing them. */
import { Plus } from 'lucide-react'
import { useState } from 'react'
import type { EngineView } from '../api/contract.ts'
import { useEngines } from '../api/lists.ts'
import { useMay } from '../api/session.ts'
import { Button } from '../parts/button.tsx'
import { Card } from '../parts/card.tsx'
import { CliCommand } from '../parts/cli-command.tsx'
import { ErrorNote } from '../parts/error-note.tsx'
import { LoadingRows } from '../parts/loading.tsx'
import { PageHead } from '../parts/page-head.tsx'
import { listed, plural, rate } from '../units.ts'
import { AddEngine } from './add-engine.tsx'
import { EngineCard } from './engine-card.tsx'
import { Models } from './models.tsx'

export default function Engines() {
  const { data: engines, error, refetch } = useEngines()
  const mayWrite = useMay('engines:write')
  const [isOpen, setOpen] = useState(false)
  return (
    <>
      <PageHead
        sentence={sentence(engines)}
        isLost={engines === undefined && error !== null}
        context={context(engines)}
        aside={
          mayWrite && (
            <Button look="main" onClick={() => setOpen(true)}>
              <Plus size={15} aria-hidden /> Add an engine
            </Button>
          )
        }
      />
      <div className="grid gap-4">
        {error !== null && <ErrorNote error={error} onRetry={() => void refetch()} />}
        {engines === undefined && error === null && (
          <Card title="Engines">
            <LoadingRows />
          </Card>
        )}
        {engines?.length === 0 && (
          <Card title="Engines">
            <p className="py-2 text-soft">
              An engine turns prompts into tokens: the one built in, or any server that speaks the
              OpenAI wire. Add one by its address and its slots appear here.
            </p>
          </Card>
        )}
        {engines !== undefined && engines.length > 0 && (
          <div className={`grid gap-4 ${engines.length > 1 ? 'xl:grid-cols-2' : ''}`}>
            {engines.map((engine) => (
              <EngineCard key={engine.id} engine={engine} mayWrite={mayWrite} />
            ))}
          </div>
        )}
        <Models engines={engines} />
        <CliCommand command="gristmill engine list" />
      </div>
      <AddEngine isOpen={isOpen} onClose={() => setOpen(false)} />
    </>
  )
}

function sentence(engines: readonly EngineView[] | undefined): string {
  if (engines === undefined) return 'Looking up the engines.'
  if (engines.length === 0) return 'No engine yet, so nothing can be answered.'
  const bad = engines.filter(({ state }) => state === 'down')
  const up = engines.filter(({ state }) => state === 'up')
  const slots = up.reduce((sum, { cap }) => sum + cap, 0)
  const busy = up.reduce((sum, { inFlight }) => sum + inFlight, 0)
  const work = `${busy} of ${plural(slots, 'slot')} ${busy === 1 ? 'is' : 'are'} busy`
  if (up.length === 0) {
    const who =
      engines.length === 1 ? `${engines[0]?.name} is ${engines[0]?.state}` : 'No engine is up'
    return `${who}, so nothing new is answered.`
  }
  if (bad.length > 0) {
    const names = listed(bad.map(({ name }) => name))
    return `${names} ${bad.length === 1 ? 'is' : 'are'} down; ${work} on the rest.`
  }
  if (up.length === 1 && engines.length === 1) return `${up[0]?.name} is up: ${work}.`
  return `${up.length} of ${plural(engines.length, 'engine')} are up: ${work}.`
}

function context(engines: readonly EngineView[] | undefined): string {
  if (engines === undefined) return ' '
  const known = engines.flatMap(({ capacityUnitsPerS }) => capacityUnitsPerS ?? [])
  if (known.length === 0) return 'Capacity is unknown until an engine has been calibrated.'
  const sum = rate(known.reduce((total, value) => total + value, 0))
  const missing = engines.length - known.length
  return `${sum} service units per second calibrated${missing === 0 ? '' : `, ${plural(missing, 'engine')} not yet`}`
}
