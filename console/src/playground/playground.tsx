/** Talking to the pool as one of its tenants, and seeing what each answer takes. */
import { useState } from 'react'
import { Link } from 'wouter'
import type { ServiceClassName } from '../api/contract.ts'
import { useModels, useTenants } from '../api/lists.ts'
import { useSignedIn } from '../api/session.ts'
import { Button } from '../parts/button.tsx'
import { Card } from '../parts/card.tsx'
import { CliCommand } from '../parts/cli-command.tsx'
import { ErrorNote } from '../parts/error-note.tsx'
import { PageHead } from '../parts/page-head.tsx'
import { shellWord } from '../parts/shell-word.ts'
import { duration, rate } from '../units.ts'
import type { ChatSettings } from './chat-stream.ts'
import { CodeDialog } from './code-dialog.tsx'
import { Composer } from './composer.tsx'
import { Settings } from './settings.tsx'
import { TurnView } from './turn-view.tsx'
import { messagesOf, type Turn, useChat } from './use-chat.ts'

export default function Playground() {
  const [chosen, setChosen] = useState<Partial<ChatSettings>>({})
  const [isCodeOpen, setCodeOpen] = useState(false)
  const { turns, isBusy, send, stop, clear } = useChat()
  const { tenants, models, isKnown, error, retry } = useChoices()
  const tenant = tenants.find(({ id }) => id === chosen.tenantId) ?? tenants[0]
  const allowed = models.filter(({ name }) => tenant?.models?.includes(name) ?? true)
  const classes: ServiceClassName[] = tenant?.classes ?? ['standard']
  const settings: ChatSettings = {
    tenantId: tenant?.id ?? '',
    model: allowed.find(({ name }) => name === chosen.model)?.name ?? allowed[0]?.name ?? '',
    serviceClass:
      classes.find((one) => one === chosen.serviceClass) ?? tenant?.defaultClass ?? 'standard',
    system: chosen.system ?? '',
    temperature: chosen.temperature ?? 0.7,
    maxTokens: chosen.maxTokens ?? 256,
  }
  const canSend = settings.tenantId !== '' && settings.model !== ''
  const command = `gristmill chat --tenant ${shellWord(tenant?.name ?? 'NAME')} --model ${shellWord(settings.model || 'MODEL')} --class ${settings.serviceClass}`
  return (
    <>
      <PageHead
        sentence={sentence(turns, tenant?.name)}
        isLost={error !== null && turns.length === 0}
        context="It queues, shares and is metered like every other call; nothing said here is kept."
        aside={
          <>
            <Button onClick={() => setCodeOpen(true)} disabled={!canSend}>
              Copy as code
            </Button>
            <Button onClick={clear} disabled={turns.length === 0}>
              New chat
            </Button>
          </>
        }
      />
      <div className="grid gap-4 lg:grid-cols-[17rem_minmax(0,1fr)]">
        <Card title="Ask as" className="max-lg:order-last">
          <Settings
            settings={settings}
            tenants={tenants}
            models={models}
            isKnown={isKnown}
            onChange={(change) => setChosen({ ...chosen, ...change })}
          />
        </Card>
        <Card title="Chat">
          <div className="min-h-[6rem] lg:min-h-[15.5rem]">
            {error !== null && <ErrorNote error={error} onRetry={retry} />}
            {turns.length === 0 && isKnown && <Beginning canSend={canSend} />}
            {turns.map((turn) => (
              <TurnView key={turn.id} turn={turn} />
            ))}
          </div>
          <div className="mt-3 border-t pt-3.5">
            <Composer
              isBusy={isBusy}
              canSend={canSend}
              onSend={(question) => void send(settings, question)}
              onStop={stop}
            />
          </div>
          <CliCommand className="mt-2" command={command} />
        </Card>
      </div>
      <CodeDialog
        isOpen={isCodeOpen}
        onClose={() => setCodeOpen(false)}
        settings={settings}
        messages={turns.length === 0 ? example : messagesOf(turns)}
      />
    </>
  )
}

/** Whom one can ask as, and what can be asked. */
function useChoices() {
  const { user } = useSignedIn()
  const tenants = useTenants()
  const models = useModels()
  const isKnown = tenants.data !== undefined && models.data !== undefined
  const isWithinReach = ({ id }: { id: string }) =>
    user.tenantIds.length === 0 || user.tenantIds.includes(id)
  return {
    tenants: (tenants.data ?? []).filter(isWithinReach),
    models: (models.data ?? []).filter(({ embedsOnly }) => !embedsOnly),
    isKnown,
    error: isKnown ? null : (tenants.error ?? models.error),
    retry: () => {
      void tenants.refetch()
      void models.refetch()
    },
  }
}

const example = [{ role: 'user' as const, content: 'What is a gristmill?' }]

function Beginning({ canSend }: { canSend: boolean }) {
  if (canSend) {
    return (
      <p className="text-soft">
        The answer appears here as it is written, with its time to first token, its pace and what it
        cost.
      </p>
    )
  }
  return (
    <p className="text-soft">
      A question needs a tenant and a model.{' '}
      <Link href="/tenants" className="text-accent underline">
        Tenants
      </Link>{' '}
      ·{' '}
      <Link href="/engines" className="text-accent underline">
        Engines
      </Link>
    </p>
  )
}

function sentence(turns: readonly Turn[], tenant: string | undefined): string {
  const turn = turns.at(-1)
  if (turn === undefined)
    return tenant === undefined ? 'Ask the pool.' : `Ask the pool as ${tenant}.`
  const { ttftMs, streamMs, outputTokens } = turn.figures
  if (turn.state === 'failed') return 'The last question was not answered.'
  if (turn.state === 'waiting') return `${tenant ?? 'The tenant'} waits for the first token.`
  const first = ttftMs === null ? '' : `The first token took ${duration(ttftMs)}`
  if (turn.state === 'streaming') return `${first}; the answer is being written.`
  if (outputTokens === null || streamMs === null || streamMs === 0) return `${first || 'Stopped'}.`
  return `${first}, then ${rate((outputTokens - 1) / (streamMs / 1000))} tokens a second.`
}
