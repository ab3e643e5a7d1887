/** The frame around every page: where one can go, who one is, and the keys that work everywhere. */
import { Menu } from 'lucide-react'
import { lazy, type ReactNode, Suspense, useEffect, useMemo, useRef, useState } from 'react'
import { useLocation } from 'wouter'
import { isBound, useSignedIn, useSignOut } from '../api/session.ts'
import { Mark } from './mark.tsx'
import { navigationFor, placeOf } from './navigation.ts'
import { type Shortcut, useShortcuts } from './shortcuts.ts'
import { SideBar } from './side-bar.tsx'
import { nextTheme } from './theme.ts'

const CommandList = lazy(() => import('./command-list.tsx'))
const PhoneMenu = lazy(() => import('./phone-menu.tsx'))

const none: Shortcut[] = []

export function Shell({ children }: { children: ReactNode }) {
  const [path] = useLocation()
  const [isMenuOpen, setMenuOpen] = useState(false)
  const [isListOpen, setListOpen] = useState(false)
  // Fetched when it is first asked for, and kept, so that closing gives the focus back.
  const isListFetched = useRef(false)
  isListFetched.current ||= isListOpen
  const isMenuFetched = useRef(false)
  isMenuFetched.current ||= isMenuOpen
  const commands = useCommands(() => setListOpen(true))
  // What is typed while the list is on its way is meant for it.
  useShortcuts(isListOpen ? none : commands)
  const main = useRef<HTMLElement>(null)
  const place = placeOf(path)
  const shownPath = useRef(path)

  useEffect(() => {
    document.title = place === undefined ? 'Gristmill' : `${place.name} · Gristmill`
    if (shownPath.current === path) return
    shownPath.current = path
    setMenuOpen(false)
    scrollTo(0, 0)
    main.current?.focus({ preventScroll: true })
  }, [path, place])

  return (
    <div className="min-h-dvh lg:grid lg:grid-cols-[208px_minmax(0,1fr)]">
      <a
        href="#main"
        className="sr-only focus:not-sr-only focus:absolute focus:top-2 focus:left-2 focus:z-10 focus:rounded-md focus:bg-surface focus:px-3 focus:py-1.5"
      >
        Skip to the page
      </a>
      <header className="flex items-center justify-between border-b px-4 py-2.5 lg:hidden print:hidden">
        <span className="flex items-center gap-2 font-[650]">
          <Mark size={20} /> Gristmill
          {place !== undefined && <span className="font-normal text-soft">{place.name}</span>}
        </span>
        <button
          type="button"
          aria-label="Menu"
          aria-expanded={isMenuOpen}
          onClick={() => setMenuOpen(true)}
          className="grid size-9 place-items-center rounded-md"
        >
          <Menu size={19} aria-hidden />
        </button>
      </header>
      <div className="hidden border-r lg:block print:hidden">
        <div className="sticky top-0 h-dvh overflow-y-auto">
          <SideBar onCommands={() => setListOpen(true)} />
        </div>
      </div>
      {isMenuFetched.current && (
        <Suspense fallback={null}>
          <PhoneMenu
            isOpen={isMenuOpen}
            onClose={() => setMenuOpen(false)}
            onCommands={() => setListOpen(true)}
          />
        </Suspense>
      )}
      <main
        id="main"
        ref={main}
        tabIndex={-1}
        className="mx-auto w-full max-w-[1680px] min-w-0 px-4 pt-5 pb-12 outline-none sm:px-8 lg:pt-[26px]"
      >
        {children}
      </main>
      {isListFetched.current && (
        <Suspense fallback={null}>
          <CommandList commands={commands} isOpen={isListOpen} onClose={() => setListOpen(false)} />
        </Suspense>
      )}
    </div>
  )
}

function useCommands(openList: () => void): Shortcut[] {
  const { session, user } = useSignedIn()
  const isOfSome = isBound(user)
  const [, goTo] = useLocation()
  const signOut = useSignOut()
  const opener = useRef(openList)
  opener.current = openList
  const leave = useRef(signOut)
  leave.current = signOut
  return useMemo(() => {
    const places = navigationFor(session.permissions, isOfSome).flatMap((group) => group.places)
    return [
      ...places.map(({ key, name, path }) => ({
        keys: `g ${key}`,
        title: `Go to ${name}`,
        run: () => goTo(path),
      })),
      { keys: 't', title: 'Change the theme', run: nextTheme },
      { keys: '?', title: 'Show all commands', run: () => opener.current() },
      { keys: 'g x', title: 'Sign out', run: () => void leave.current() },
    ]
  }, [session.permissions, isOfSome, goTo])
}
