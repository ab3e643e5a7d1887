/** What is chosen about a key, whether it is new, moves in or is changed. */
import type { KeyView, ServiceClassName } from '../api/contract.ts'
import { useMay } from '../api/session.ts'
import { Choice, Field } from '../parts/field.tsx'
import { LimitFields, limitFlags, limitsOf } from '../parts/limit-fields.tsx'
import { textOf } from '../parts/on-submit.ts'
import { shellWord } from '../parts/shell-word.ts'

const classes: ServiceClassName[] = ['priority', 'standard', 'flex', 'batch']
const scopes = [
  { name: 'inference', note: 'call models' },
  { name: 'end_users', note: 'its requests may name end users' },
  { name: 'usage:read', note: 'read the tenant’s usage' },
  { name: 'queue:read', note: 'read the tenant’s queue' },
]

export function KeyFields({ keyView }: { keyView?: KeyView }) {
  const mayTag = useMay('tenants:write')
  // A scope that is not offered here, such as admin, is kept by its own checkbox.
  const others = (keyView?.scopes ?? []).filter((one) => !scopes.some(({ name }) => name === one))
  return (
    <>
      <Field
        label="What it is for"
        name="name"
        required
        maxLength={100}
        defaultValue={keyView?.name}
        placeholder="ticket bot"
        data-first
      />
      <div className="grid gap-3 sm:grid-cols-2">
        <Choice label="Default class" name="class" defaultValue={keyView?.defaultClass ?? ''}>
          <option value="">the tenant’s</option>
          {classes.map((one) => (
            <option key={one}>{one}</option>
          ))}
        </Choice>
        <Field
          label="Works through"
          name="until"
          type="date"
          defaultValue={dayOf(keyView)}
          hint="For ever where it is empty."
        />
      </div>
      <fieldset>
        <legend className="mb-1 text-[0.8rem] font-medium">What it may do</legend>
        {[...scopes, ...others.map((name) => ({ name, note: '' }))].map((scope) => (
          <label key={scope.name} className="flex items-baseline gap-1.5 py-0.5">
            <input
              type="checkbox"
              name="scopes"
              value={scope.name}
              defaultChecked={(keyView?.scopes ?? ['inference']).includes(scope.name)}
              className="size-4 translate-y-0.5 accent-(--accent)"
            />
            {scope.name} <span className="text-[0.78rem] text-soft">{scope.note}</span>
          </label>
        ))}
      </fieldset>
      <label className="flex items-baseline gap-1.5">
        <input
          type="checkbox"
          name="responseCache"
          defaultChecked={keyView?.responseCache ?? false}
          className="size-4 translate-y-0.5 accent-(--accent)"
        />
        Response cache
        <span className="text-[0.78rem] text-soft">the same question gets the kept answer</span>
      </label>
      {mayTag && (
        <Field
          label="Tags"
          name="tags"
          defaultValue={keyView?.tags.join(', ')}
          placeholder="eu, trial"
          hint="They open targets of routes to it. In small letters, with commas between them."
          autoComplete="off"
          spellCheck={false}
        />
      )}
      <LimitFields {...(keyView && { limits: keyView.limits })} />
    </>
  )
}

/** The fields as the admin API takes them. @param before the key that is changed, if any */
export function keyBodyOf(form: FormData, before?: KeyView) {
  const until = textOf(form, 'until')
  return {
    name: textOf(form, 'name'),
    scopes: form.getAll('scopes').map(String),
    defaultClass: textOf(form, 'class') || null,
    limits: limitsOf(form),
    responseCache: form.has('responseCache'),
    ...(form.has('tags') && { tags: tagsOf(textOf(form, 'tags')) }),
    // An end that is not touched keeps its time of day.
    ...(until !== dayOf(before) && { expiresAt: until === '' ? null : endOfDay(until) }),
  }
}

/** The same as flags of the command line; only what differs is named. */
export function keyFlags(form: FormData, before?: KeyView): string {
  const body = keyBodyOf(form, before)
  const was = {
    name: '',
    scopes: ['inference'],
    defaultClass: null,
    responseCache: false,
    tags: [],
    ...before,
  }
  const { expiresAt } = body
  return [
    body.name !== was.name && ` --name ${shellWord(body.name)}`,
    body.scopes.join() !== was.scopes.join() && ` --scopes ${body.scopes.join()}`,
    body.defaultClass !== was.defaultClass && ` --class ${body.defaultClass ?? 'tenant'}`,
    body.responseCache !== was.responseCache &&
      ` --response-cache ${body.responseCache ? 'on' : 'off'}`,
    body.tags !== undefined && body.tags.join() !== was.tags.join() && tagFlags(body.tags),
    expiresAt !== undefined && ` --expires ${expiresAt === null ? 'never' : daysUntil(expiresAt)}`,
    limitFlags(body.limits, before?.limits),
  ]
    .filter(Boolean)
    .join('')
}

const tagsOf = (text: string) => text.split(/[\s,]+/).filter(Boolean)

const tagFlags = (tags: readonly string[]) =>
  tags.length === 0 ? ' --no-tag' : ` --tag ${tags.map(shellWord).join(' ')}`

/** The day until whose end it works, as the browser's field writes it. */
function dayOf(keyView: KeyView | undefined): string {
  if (!keyView?.expiresAt) return ''
  const end = new Date(keyView.expiresAt)
  const pad = (part: number) => String(part).padStart(2, '0')
  return `${end.getFullYear()}-${pad(end.getMonth() + 1)}-${pad(end.getDate())}`
}

const endOfDay = (date: string) => new Date(`${date}T23:59:59`).toISOString()

const daysUntil = (at: string) =>
  `${Math.max(1, Math.ceil((Date.parse(at) - Date.now()) / 86_400_000))}d`
