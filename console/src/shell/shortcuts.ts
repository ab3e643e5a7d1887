/** Keys that work everywhere: `g` and a letter goes somewhere, single letters act. */
import { useLayoutEffect } from 'react'

export interface Shortcut {
  /** One key, or two pressed one after the other: `g f`. */
  keys: string
  title: string
  run: () => void
}

/** Two keys belong together when the second comes within this time. */
const PAIR_MS = 1200

export function useShortcuts(shortcuts: readonly Shortcut[]): void {
  // In the same turn in which the page appears: what can be seen answers to its keys.
  useLayoutEffect(() => {
    let first = ''
    let firstAtMs = 0
    const onKey = (event: KeyboardEvent) => {
      if (event.ctrlKey || event.metaKey || event.altKey || isTyping(event.target)) return
      const isPair = first !== '' && event.timeStamp - firstAtMs < PAIR_MS
      const keys = isPair ? `${first} ${event.key}` : event.key
      first = ''
      const found = shortcuts.find((shortcut) => shortcut.keys === keys)
      if (found !== undefined) {
        event.preventDefault()
        found.run()
      } else if (shortcuts.some((shortcut) => shortcut.keys.startsWith(`${event.key} `))) {
        first = event.key
        firstAtMs = event.timeStamp
      }
    }
    addEventListener('keydown', onKey)
    return () => removeEventListener('keydown', onKey)
  }, [shortcuts])
}

/** Letters belong to what is being written, and to an open dialog. */
function isTyping(target: EventTarget | null): boolean {
  if (!(target instanceof HTMLElement)) return false
  return target.isContentEditable || target.closest('input, textarea, select, dialog') !== null
}
