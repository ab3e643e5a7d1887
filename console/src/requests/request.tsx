/** One request: its way from the door to the engine, and its rows on the ledger. */
import { useQuery } from '@tanstack/react-query'
import { Link } from 'wouter'
import { get } from '../api/client.ts'
import type { GuardOutcomeName, RequestView } from '../api/contract.ts'
import { keyName } from '../api/key-names.ts'
import { useEngines, useKeys, useProjects, useTenantNames } from '../api/lists.ts'
import { useMay } from '../api/session.ts'
import { Card } from '../parts/card.tsx'
import { ClassTag } from '../parts/class-tag.tsx'
import { CopyButton } from '../parts/copy-button.tsx'
import { Figure, Figures } from '../parts/figure.tsx'
import { Loading } from '../parts/loading.tsx'
import { LostPage } from '../parts/lost-page.tsx'
import { PageHead } from '../parts/page-head.tsx'
import { TenantName } from '../parts/tenant-name.tsx'
import { count, duration, durationParts, moment } from '../units.ts'
import { endInWords, unitsOf } from './ends.ts'
import { LedgerRows } from './ledger-rows.tsx'
import { PriceLines } from './price-lines.tsx'
import { RequestPath } from './request-path.tsx'

export default function Request({ id }: { id: string }) {
  const { data, error, refetch } = useQuery({
    queryKey: ['/api/requests', id],
    queryFn: ({ signal }) => get<RequestView>(`/api/requests/${encodeURIComponent(id)}`, signal),
    refetchInterval: ({ state }) => (state.data?.settledAt === null ? 1000 : false),
  })
  if (data !== undefined) return <Found request={data} />
  if (error === null) return <Loading />
  const back = (
    <Link href="/requests" className="text-accent underline">
      All requests
    </Link>
  )
  return <LostPage error={error} onRetry={() => void refetch()} context={back} />
}

function Found({ request }: { request: RequestView }) {
  const { id, tenantId, inputTokens, cachedTokens, outputTokens, ttftMs, tokenGapMs } = request
  const tenant = useTenantNames().get(tenantId)
  const mayReadPrices = useMay('prices:read')
  const first = ttftMs === null ? null : durationParts(ttftMs)
  const pace = tokenGapMs === null || tokenGapMs === 0 ? null : 1000 / tokenGapMs
  return (
    <>
      <PageHead
        sentence={sentence(request, tenant?.name ?? 'A tenant')}
        context={
          <span className="inline-flex flex-wrap items-center gap-x-2">
            <code className="font-mono text-[0.8rem]">{id}</code>
            <CopyButton text={id} label="Copy the request id" />
            arrived {moment(request.arrivedAt)}
          </span>
        }
      />
      <div className="grid gap-4">
        <Figures>
          <Figure
            label="First token"
            value={first?.value ?? null}
            unit={first?.unit ?? ''}
            basis={ttftMs === null ? 'no content came' : 'from arrival to the first content'}
            definition="Time to first token: from arrival to the first event with content"
          />
          <Figure
            label="Pace"
            value={pace === null ? null : pace.toFixed(1)}
            unit="tokens/s"
            basis={
              tokenGapMs === null ? 'too short to tell' : `${duration(tokenGapMs)} between tokens`
            }
            definition="1 ÷ the mean time between its tokens, from first to last"
          />
          <Figure
            label="Tokens"
            value={count(inputTokens + outputTokens)}
            basis={`${count(inputTokens)} in, ${count(cachedTokens)} of them cached · ${count(outputTokens)} out${request.estimated ? ', counted from frames' : ''}`}
            definition="As the ledger has them"
          />
          <Figure
            label="Service"
            value={count(unitsOf(request))}
            unit="units"
            basis="uncached in + 2 × out"
            definition="Cost units that were charged to the tenant’s counter"
          />
        </Figures>
        <RequestPath request={request} />
        <Particulars request={request} tenant={tenant} />
        <LedgerRows request={request} />
        {mayReadPrices && request.settledAt !== null && <PriceLines id={id} />}
      </div>
    </>
  )
}

function sentence(request: RequestView, who: string): string {
  const { queueMs, engineMs, outputTokens } = request
  if (request.settledAt === null)
    return `${who} is being served; ${count(outputTokens)} tokens so far.`
  const wait = queueMs === null ? '' : ` after ${duration(queueMs)} in the queue`
  if (request.group === 'finished') {
    const time = engineMs === null ? '' : ` in ${duration(engineMs)}`
    return `${who} got ${count(outputTokens)} tokens${time}${wait}.`
  }
  return `${who} got ${count(outputTokens)} tokens${wait}, then it ended early: ${endInWords(request)}.`
}

interface ParticularsProps {
  request: RequestView
  tenant: { name: string; hue: number } | undefined
}

const outcomes: Record<GuardOutcomeName, string> = {
  passed: 'let it pass',
  failed_open: 'could not be asked, let it pass',
  redacted: 'redacted it',
  failed_closed: 'could not be asked, stopped it',
  refused: 'refused it',
}

function Particulars({ request, tenant }: ParticularsProps) {
  const { tenantId, projectId, keyId, sessionId, serviceClass, servedClass } = request
  const project = useProjects(tenantId).data?.find(({ id }) => id === projectId)
  const keys = useKeys(tenantId).data
  const engine = useEngines().data?.find(({ id }) => id === request.engineId)
  const link = 'underline-offset-2 hover:underline'
  const facts = [
    {
      name: 'Tenant',
      value: (
        <Link href={`/tenants/${tenantId}`} className={link}>
          <TenantName name={tenant?.name ?? tenantId} hue={tenant?.hue ?? -1} />
        </Link>
      ),
    },
    { name: 'Project', value: project?.name ?? projectId },
    {
      name: 'Key',
      value: (
        <Link href={`/requests?tenant=${tenantId}&key=${keyId}`} className={link}>
          {keyName(keyId, keys)}
        </Link>
      ),
    },
    { name: 'End user', value: request.endUser ?? 'not named' },
    {
      name: 'Session',
      value:
        sessionId === null ? (
          'not named'
        ) : (
          <Link
            href={`/requests?tenant=${tenantId}&session=${encodeURIComponent(sessionId)}`}
            className={`break-all ${link}`}
          >
            {sessionId}
          </Link>
        ),
    },
    {
      name: 'Class',
      value: (
        <span className="inline-flex items-center gap-1.5">
          <ClassTag name={servedClass ?? serviceClass} />
          {servedClass !== null && servedClass !== serviceClass && `asked for ${serviceClass}`}
        </span>
      ),
    },
    { name: 'Model', value: request.model },
    { name: 'Endpoint', value: request.endpoint },
    {
      name: 'Engine',
      value:
        engine?.name ??
        request.engineId ??
        (request.hitInputTokens === null ? 'none reached' : 'none, out of the response cache'),
    },
  ]
  if (request.guards !== null) {
    const value = request.guards
      .map(({ name, outcome }) => `${name}: ${outcomes[outcome]}`)
      .join(', ')
    facts.push({ name: 'Guards', value })
  }
  return (
    <Card title="Whose and where">
      <dl className="grid grid-cols-2 gap-x-6 gap-y-3 text-[0.84rem] md:grid-cols-4">
        {facts.map(({ name, value }) => (
          <div key={name} className="min-w-0">
            <dt className="text-[0.75rem] text-soft">{name}</dt>
            <dd className="break-words">{value}</dd>
          </div>
        ))}
      </dl>
    </Card>
  )
}
