/** `gristmill engine show`: how an engine is and has been. */
import type { Command } from 'commander'
import type { EngineHistoryView, EngineView } from '../http/index.ts'
import { type CliContext, connect, example, type RemoteFlags, remote, show } from './context.ts'
import { findEngine } from './engine-find.ts'
import { type Column, printTable } from './table.ts'
import { count, duration, figure, moment, percent, UNKNOWN } from './units.ts'

/** Marks of the strip: each is half an hour. */
const MARKS = { up: '▁', degraded: '▄', draining: '▂', down: '█', unwatched: ' ' }
const STEPS_OF_MARK = 2
const CHANGES_SHOWN = 10

export function showEngine(group: Command, context: CliContext): void {
  const { terminal } = context
  example(remote(group.command('show <engine>')), 'engine show gpu-1')
    .description('how an engine is and has been in the last day: health, errors, capacity')
    .action(async (name: string, flags: RemoteFlags) => {
      const client = connect(context, flags)
      const engine = await findEngine(client, name)
      const history = await client.get<EngineHistoryView>(`/api/engines/${engine.id}/history`)
      show(context, flags, { engine, history }, () => {
        terminal.print(`${engine.name} is ${engine.state}: ${engine.stateReason}`)
        terminal.print(capacityInWords(engine))
        terminal.print(`24 h  |${stripOf(history)}|  ${legend}`)
        printTable(terminal, history.errors, errorColumns, '')
        const { changes } = history
        printTable(terminal, changes.slice(0, CHANGES_SHOWN), changeColumns, 'No change yet.')
      })
    })
}

const legend = `${MARKS.up} up, ${MARKS.draining} draining, ${MARKS.degraded} degraded, ${MARKS.down} down`

function capacityInWords({ capacityUnitsPerS, calibratedAt, cap, express }: EngineView): string {
  const places = `${count(cap)} + ${count(express)} places`
  if (capacityUnitsPerS === null) return `Capacity unknown, ${places}.`
  const since = calibratedAt === null ? 'as it says itself' : `calibrated ${moment(calibratedAt)}`
  return `Capacity ${figure(capacityUnitsPerS)} units/s, ${since}; ${places}.`
}

/** The worst of every half hour. */
function stripOf({ fromAt, stepS, stepCount, steps }: EngineHistoryView): string {
  const markMs = stepS * STEPS_OF_MARK * 1000
  const states = Array.from<keyof typeof MARKS>({ length: stepCount / STEPS_OF_MARK }).fill(
    'unwatched',
  )
  for (const step of steps) {
    const at = Math.floor((Date.parse(step.at) - Date.parse(fromAt)) / markMs)
    const known = states[at] ?? 'unwatched'
    const next = worstOf(step)
    if (severity.indexOf(next) > severity.indexOf(known)) states[at] = next
  }
  return states.map((state) => MARKS[state]).join('')
}

const severity = ['unwatched', 'up', 'draining', 'degraded', 'down']

/** Less than a second away is a rounding of the minute's ends. */
function worstOf({ registeredS, upS, degradedS, drainingS }: EngineHistoryView['steps'][number]) {
  if (registeredS - upS - drainingS > 1) return 'down'
  if (degradedS > 0) return 'degraded'
  return drainingS > 0 ? 'draining' : 'up'
}

const errorColumns: Column<EngineHistoryView['errors'][number]>[] = [
  { title: 'LAST', value: ({ spanS }) => duration(spanS * 1000) },
  { title: 'ATTEMPTS', value: ({ attempts }) => count(attempts), align: 'right' },
  { title: 'FAILED', value: ({ failed }) => count(failed), align: 'right' },
  {
    title: 'RATE',
    value: ({ failed, attempts }) => (attempts === 0 ? UNKNOWN : percent(failed / attempts)),
    align: 'right',
  },
  {
    title: 'HOW',
    value: ({ causes }) => causes.map((one) => `${count(one.count)} ${one.cause}`).join(', '),
  },
]

const changeColumns: Column<EngineHistoryView['changes'][number]>[] = [
  { title: 'CHANGED', value: ({ at }) => moment(at) },
  { title: 'TO', value: ({ state }) => state },
  { title: 'WHY', value: ({ reason }) => reason },
]
