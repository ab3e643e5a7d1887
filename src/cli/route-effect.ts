/** What new routes would change, as a table. */
import { serviceClasses } from '../base/index.ts'
import type {
  RouteChangeView,
  RouteDraftView,
  TargetChangeView,
  TargetOutcomeView,
} from '../http/index.ts'
import { type Column, printTable } from './table.ts'
import type { Terminal } from './terminal.ts'
import { count } from './units.ts'

/** Prints what is wrong, or what would change. @param where place of a path in the file */
export function tellDraft(
  terminal: Terminal,
  draft: RouteDraftView,
  where: (path: string) => string,
): void {
  for (const { path, reason } of draft.problems) {
    terminal.print(`${where(path)}: ${path}: ${reason}`)
  }
  if (draft.problems.length > 0) return
  const against = draft.version === 0 ? 'no routes' : `version ${draft.version}`
  terminal.print(`Against ${against}; nothing was changed.`)
  const none = draft.unexamined.length === 0 ? 'Nothing would change.' : ''
  printTable(terminal, draft.changes, columns, none)
  if (draft.unexamined.length > 0) {
    terminal.print(`Changed too, for too many to say whom: ${draft.unexamined.join(', ')}`)
  }
  for (const warning of draft.warnings) terminal.note(`note: ${warning}`)
}

const columns: Column<RouteChangeView>[] = [
  { title: 'NAME', value: ({ names }) => names.join(', ') },
  { title: 'FOR', value: whose },
  { title: 'BEFORE', value: (change) => sideOf(change, 'before') },
  { title: 'AFTER', value: (change) => sideOf(change, 'after') },
]

function whose(change: RouteChangeView): string {
  if (change.kind !== 'targets') return 'all'
  const { tenants, others, classes, inputTokensMin: min, inputTokensMax: max } = change
  const tagged = change.tags.map(signsInWords).join(' or ')
  const all = tenants.length === 0 ? 'all' : 'all others'
  const who = [...tenants, ...(others ? [all] : [])].join(', ')
  const classed = classes.length === serviceClasses.length ? '' : `; ${classes.join(', ')}`
  const kinds = `${classed}${tagged === '' ? '' : `; ${tagged}`}`
  if (max === null) return `${who}${kinds}${min === 0 ? '' : `; from ${count(min)} tokens`}`
  return `${who}${kinds}; ${min === 0 ? 'up' : count(min)} to ${count(max)} tokens`
}

const signsInWords = (signs: TargetChangeView['tags'][number]) =>
  signs.map(({ of, tag, has }) => `${of} ${has ? '' : 'not '}tagged ${tag}`).join(' and ')

function sideOf(change: RouteChangeView, side: 'before' | 'after'): string {
  if (change.kind === 'targets') return targetsInWords(change[side])
  if (change.kind === 'defaults') return `defaults ${JSON.stringify(change[side])}`
  const deprecation = change[side]
  if (deprecation === null) return 'no end'
  const { date, successor } = deprecation
  return `answered until ${date}${successor === null ? '' : `, then ${successor}`}`
}

function targetsInWords(targets: readonly TargetOutcomeView[]): string {
  if (targets.length === 0) return 'not answered'
  return targets.map(targetInWords).join(', ')
}

function targetInWords(target: TargetOutcomeView): string {
  const { model, engine, share, isUp, allowanceNanos } = target
  const name = engine === null ? model : `${model} on ${engine}`
  if (allowanceNanos === 0) return `${name} never, without allowance`
  if (allowanceNanos !== null) return `${name} by overflow, up to ${allowanceNanos / 1e9} a day`
  const down = isUp ? '' : ', down'
  if (share > 0) return `${name} ${Math.round(100 * share)} %${down}`
  return `${name} after that${down}`
}
