/** Editing all routes as one document; what would change, and for whom, is said before saving. */
import { useQuery } from '@tanstack/react-query'
import { useDeferredValue, useEffect, useRef, useState } from 'react'
import { Link, useLocation, useSearchParams } from 'wouter'
import { useChange } from '../api/changes.ts'
import { change } from '../api/client.ts'
import type { GuardView, RouteDraftView, RouteSetView } from '../api/contract.ts'
import { useMay } from '../api/session.ts'
import { Button } from '../parts/button.tsx'
import { Card } from '../parts/card.tsx'
import { CliCommand } from '../parts/cli-command.tsx'
import { ErrorNote } from '../parts/error-note.tsx'
import { controlClass, Field } from '../parts/field.tsx'
import { Loading, LoadingRows } from '../parts/loading.tsx'
import { LostPage } from '../parts/lost-page.tsx'
import { PageHead } from '../parts/page-head.tsx'
import { RowButton } from '../parts/row-button.tsx'
import { plural } from '../units.ts'
import { ChangeTable } from './change-table.tsx'
import { lineAt, placeOfPath, placesIn } from './json-places.ts'
import { documentOf, ROUTES, useRoutes } from './route-data.ts'
import { guardsInWords } from './route-words.ts'

const NEW_ROUTE = { name: 'new-route', targets: [{ model: 'name-of-a-model' }] }
/** Typing is not looked at before it has paused for this long. */
const PAUSE_MS = 300

export default function EditRoutes() {
  const { data: set, error, refetch } = useRoutes()
  // Whatever is asked later may fail: what was typed stays.
  if (set !== undefined) return <Editor set={set} />
  if (error === null) return <Loading />
  const back = (
    <Link href="/routes" className="text-accent underline">
      All routes
    </Link>
  )
  return <LostPage error={error} onRetry={() => void refetch()} context={back} />
}

interface Parsed {
  routes: unknown
  /** undefined where those that hold are to stay. */
  guards: unknown
  /** Why it is no JSON. */
  syntax: string | null
}

function parse(text: string): Parsed {
  try {
    const value = JSON.parse(text) as { routes?: unknown; guards?: unknown } | unknown[] | null
    if (Array.isArray(value)) return { routes: value, guards: undefined, syntax: null }
    // It is the whole document, so guards that it does not have are to go.
    return { routes: value?.routes, guards: value?.guards ?? [], syntax: null }
  } catch (error) {
    const syntax = error instanceof Error ? error.message : String(error)
    return { routes: undefined, guards: undefined, syntax }
  }
}

function Editor({ set }: { set: RouteSetView }) {
  const [search] = useSearchParams()
  const [, navigate] = useLocation()
  // What was read at the beginning stays the basis, also where somebody saves meanwhile.
  const [{ base, original }] = useState(() => ({
    base: set.version,
    original: documentOf(set),
  }))
  const [text, setText] = useState(() => startingText(original, search.get('add') !== null))
  const [note, setNote] = useState('')
  const area = useRef<HTMLTextAreaElement>(null)
  const draft = useDraft(text)
  const save = useChange<RouteSetView>([ROUTES], () => navigate('/routes'))
  const mayWrite = useMay('routes:write')
  const isSame = text === original
  const isSound = draft.syntax === null && draft.data?.problems.length === 0 && !draft.isBehind

  const goTo = (offset: number) => {
    const element = area.current
    if (element === null) return
    element.focus()
    element.setSelectionRange(offset, offset)
    const line = lineAt(text, offset)
    const height = element.scrollHeight / Math.max(1, text.split('\n').length)
    element.scrollTop = Math.max(0, (line - 4) * height)
  }
  const wanted = search.get('route')
  // biome-ignore lint/correctness/useExhaustiveDependencies: once, at the beginning
  useEffect(() => {
    const at = set.routes.findIndex(({ name }) => name === wanted)
    if (at >= 0) goTo(placeOfPath(placesIn(text), `routes.${at}`))
    else if (search.get('add') !== null) goTo(text.lastIndexOf('new-route'))
  }, [])
  const submit = () => {
    const { routes, guards } = parse(text)
    save.mutate({ method: 'PUT', path: ROUTES, body: { routes, guards, note, baseVersion: base } })
  }
  return (
    <>
      <PageHead
        sentence={sentence(draft, isSame)}
        context={
          base === 0
            ? 'All routes are one document, checked as a whole. It will be version 1.'
            : `All routes are one document, checked as a whole. It replaces version ${base} at once; requests that run are not touched.`
        }
      />
      <div className="grid items-start gap-4 xl:grid-cols-[minmax(0,1fr)_minmax(0,1fr)]">
        <Card title="Routes" note="JSON, as the command line takes it">
          <textarea
            ref={area}
            aria-label="Routes"
            aria-invalid={draft.syntax !== null || (draft.data?.problems.length ?? 0) > 0}
            spellCheck={false}
            value={text}
            onChange={(event) => setText(event.target.value)}
            className={`${controlClass} h-[min(62vh,40rem)] resize-y overflow-auto font-mono text-[0.78rem] leading-[1.45] whitespace-pre`}
          />
          <div className="mt-3 grid gap-3">
            <Field
              label="Note"
              value={note}
              maxLength={500}
              onChange={(event) => setNote(event.target.value)}
              hint="What the change is for; it stands beside the version."
            />
            {save.error !== null && <ErrorNote error={save.error} />}
            <div className="flex flex-wrap items-center justify-between gap-3">
              <CliCommand command="gristmill route apply --file gristmill.yaml --dry-run" />
              <div className="ml-auto flex gap-2">
                <Button onClick={() => navigate('/routes')}>Cancel</Button>
                <Button
                  look="main"
                  onClick={submit}
                  disabled={!mayWrite || !isSound || isSame || save.isPending}
                >
                  Save as version {base + 1}
                </Button>
              </div>
            </div>
          </div>
        </Card>
        <Effect draft={draft} held={set.guards} text={text} onGoTo={goTo} />
      </div>
    </>
  )
}

/** With a route to begin with where one is to be added. */
function startingText(original: string, isAdding: boolean): string {
  if (!isAdding) return original
  const document = JSON.parse(original) as { routes: object[] }
  return `${JSON.stringify({ ...document, routes: [...document.routes, NEW_ROUTE] }, null, 2)}\n`
}

interface Draft {
  syntax: string | null
  /** Those of the text, once nothing is wrong with it; undefined: those that hold stay. */
  guards: readonly GuardView[] | undefined
  data: RouteDraftView | undefined
  error: Error | null
  /** True while the text is newer than what is said about it. */
  isBehind: boolean
}

function useDraft(text: string): Draft {
  const [settled, setSettled] = useState(text)
  useEffect(() => {
    const timer = setTimeout(() => setSettled(text), PAUSE_MS)
    return () => clearTimeout(timer)
  }, [text])
  const seen = useDeferredValue(settled)
  const { routes, guards, syntax } = parse(seen)
  const { data, error, isFetching } = useQuery({
    queryKey: [`${ROUTES}/draft`, seen],
    queryFn: () =>
      change<RouteDraftView>('POST', `${ROUTES}/draft`, { routes: routes ?? null, guards }),
    enabled: syntax === null,
    placeholderData: (before) => before,
    staleTime: 0,
  })
  const isBehind = isFetching || seen !== text
  return { syntax, guards: guards as Draft['guards'], data, error, isBehind }
}

function sentence({ syntax, data, isBehind }: Draft, isSame: boolean): string {
  if (syntax !== null) return 'This is no JSON yet.'
  if (data === undefined) return 'Looking at the routes.'
  if (data.problems.length > 0) {
    return `${plural(data.problems.length, 'thing')} must be put right before this can be saved.`
  }
  if (isSame || isBehind) return isSame ? 'Nothing has been changed yet.' : 'Looking at the routes.'
  const { length } = data.changes
  if (length === 0) return 'This can be saved; names lead where they led before.'
  const names = new Set(data.changes.flatMap((one) => one.names))
  return `This can be saved; it changes ${plural(names.size, 'name')} that clients ask for.`
}

interface EffectProps {
  draft: Draft
  /** Guards that hold now. */
  held: readonly GuardView[]
  text: string
  onGoTo: (offset: number) => void
}

function Effect({ draft, held, text, onGoTo }: EffectProps) {
  const { syntax, data, error, isBehind } = draft
  const problems = data?.problems ?? []
  return (
    <Card
      title={syntax !== null || problems.length > 0 ? 'What is wrong' : 'What would change'}
      note={syntax === null && problems.length === 0 ? 'as far as engines are up now' : undefined}
      isStale={isBehind && syntax === null && data !== undefined}
    >
      {error !== null && <ErrorNote error={error} />}
      {syntax !== null && <p className="text-bad">{syntax}</p>}
      {syntax === null && data === undefined && error === null && <LoadingRows rows={3} />}
      {syntax === null && problems.length > 0 && (
        <Problems problems={problems} text={text} onGoTo={onGoTo} />
      )}
      {syntax === null && data !== undefined && problems.length === 0 && (
        <ChangeTable
          draft={data}
          // Of what was not looked at yet nobody knows that it has guards at all.
          guards={isBehind ? '' : guardsInWords(held, draft.guards ?? held)}
        />
      )}
    </Card>
  )
}

interface ProblemsProps {
  problems: RouteDraftView['problems']
  text: string
  onGoTo: (offset: number) => void
}

function Problems({ problems, text, onGoTo }: ProblemsProps) {
  const places = parse(text).syntax === null ? placesIn(text) : new Map<string, number>()
  return (
    <ul className="grid gap-2.5 text-[0.84rem]">
      {problems.map(({ path, reason }) => {
        const offset = placeOfPath(places, path)
        return (
          <li key={`${path} ${reason}`} className="border-t pt-2 first:border-t-0 first:pt-0">
            <code className="font-mono text-[0.76rem] text-bad">{path}</code>{' '}
            <RowButton onClick={() => onGoTo(offset)}>line {lineAt(text, offset)}</RowButton>
            <span className="block">{reason}</span>
          </li>
        )
      })}
    </ul>
  )
}
