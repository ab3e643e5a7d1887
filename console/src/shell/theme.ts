/** Light, dark or as the system says; told to everybody who draws with the theme's colours. */
import { useSyncExternalStore } from 'react'

export type ThemeChoice = 'system' | 'light' | 'dark'

const KEY = 'gristmill.theme'
const system = matchMedia('(prefers-color-scheme: dark)')
const listeners = new Set<() => void>()
let current = read()

interface Theme {
  choice: ThemeChoice
  isDark: boolean
}

function read(): Theme {
  const stored = storedChoice()
  const choice = stored === 'light' || stored === 'dark' ? stored : 'system'
  return { choice, isDark: choice === 'dark' || (choice === 'system' && system.matches) }
}

function storedChoice(): string | null {
  try {
    return localStorage.getItem(KEY)
  } catch {
    // Storage may be off; then the choice lasts as long as the page.
    return null
  }
}

function apply(theme: Theme): void {
  current = theme
  document.documentElement.dataset.theme = theme.isDark ? 'dark' : 'light'
  for (const listener of listeners) listener()
}

system.addEventListener('change', () => {
  const isDark = current.choice === 'system' ? system.matches : current.isDark
  apply({ choice: current.choice, isDark })
})

export function chooseTheme(choice: ThemeChoice): void {
  try {
    localStorage.setItem(KEY, choice)
  } catch {
    // As above: it is only not remembered.
  }
  apply({ choice, isDark: choice === 'dark' || (choice === 'system' && system.matches) })
}

const order: ThemeChoice[] = ['system', 'light', 'dark']

export function nextTheme(): void {
  chooseTheme(order[(order.indexOf(current.choice) + 1) % order.length] ?? 'system')
}

function subscribe(listener: () => void): () => void {
  listeners.add(listener)
  return () => listeners.delete(listener)
}

export function useTheme(): Theme {
  return useSyncExternalStore(subscribe, () => current)
}
