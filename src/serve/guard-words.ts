/** Guards in a few words, for people who ask what meets a request or what a change does. */
import type { Guard } from '../guard/index.ts'
import type { RouteExplanationView } from '../http/index.ts'

/** A guard as an explanation has it. */
export function explained(guard: Guard): RouteExplanationView['guards'][number] {
  const { name, kind, when } = guard
  return { name, kind, when, does: doingOf(guard) }
}

function doingOf(guard: Guard): string {
  switch (guard.kind) {
    case 'http':
      return `asks ${new URL(guard.url).host}; without an answer in ${guard.timeoutMs} ms ${
        guard.onFailure === 'open' ? 'it goes on' : 'nothing passes'
      }`
    case 'schema':
      return 'refuses answers that are not of its schema'
    case 'pii':
      return `${guard.action}s ${guard.entities.join(', ')}`
    case 'pattern':
      return `${guard.action}s what matches ${guard.patterns.length} patterns`
  }
}

/** What a change does to guards, as notes. */
export function guardNews(before: readonly Guard[], after: readonly Guard[]): string[] {
  const known = new Map(before.map((one) => [one.name, JSON.stringify(one)]))
  const kept = new Set(after.map(({ name }) => name))
  const news = after.flatMap((one) => {
    const old = known.get(one.name)
    if (old === undefined) return [`the guard ${one.name} is new`]
    return old === JSON.stringify(one) ? [] : [`the guard ${one.name} changes`]
  })
  const gone = before.filter(({ name }) => !kept.has(name))
  return [...news, ...gone.map(({ name }) => `the guard ${name} goes`)]
}
