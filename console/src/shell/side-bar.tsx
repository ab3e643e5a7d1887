/** The list of rooms, and below it the person, the theme and the commands. */
import { KeyRound, LogOut, Monitor, Moon, Sun } from 'lucide-react'
import { lazy, Suspense, useRef, useState } from 'react'
import { Link, useLocation } from 'wouter'
import { isBound, useSignedIn, useSignOut } from '../api/session.ts'
import { Mark } from './mark.tsx'
import { navigationFor, placeOf } from './navigation.ts'
import { nextTheme, useTheme } from './theme.ts'

const PasswordForm = lazy(() => import('../people/password-form.tsx'))

const themeIcons = { system: Monitor, light: Sun, dark: Moon }
const small = 'grid size-8 place-items-center rounded-md text-soft hover:bg-sunk hover:text-ink'

export function SideBar({ onCommands }: { onCommands: () => void }) {
  const { session, user } = useSignedIn()
  const [path] = useLocation()
  const signOut = useSignOut()
  const [isPasswordOpen, setPasswordOpen] = useState(false)
  // Fetched when it is first asked for, and kept, so that closing gives the focus back.
  const isPasswordFetched = useRef(false)
  isPasswordFetched.current ||= isPasswordOpen
  const { choice } = useTheme()
  const ThemeIcon = themeIcons[choice]
  const here = placeOf(path)
  return (
    <nav aria-label="Rooms" className="flex h-full flex-col gap-0.5 lg:px-3 lg:pt-5 lg:pb-3">
      <p className="hidden items-center gap-2.5 px-2.5 pb-4 text-[0.95rem] font-[650] tracking-[-0.01em] lg:flex">
        <Mark /> Gristmill
      </p>
      {navigationFor(session.permissions, isBound(user)).map(({ title, places }) => (
        <div key={title ?? ''} className="grid gap-0.5">
          {title !== null && (
            <p className="px-2.5 pt-3 pb-1 text-[0.7rem] tracking-[0.02em] text-soft">{title}</p>
          )}
          {places.map(({ path: to, name, key }) => (
            <Link
              key={to}
              href={to}
              title={`g ${key}`}
              aria-current={here?.path === to ? 'page' : undefined}
              className={`rounded-[7px] px-2.5 py-[7px] font-medium lg:py-[5px] ${
                here?.path === to ? 'bg-sunk text-ink' : 'text-soft hover:text-ink'
              }`}
            >
              {name}
            </Link>
          ))}
        </div>
      ))}
      <div className="mt-auto pt-5">
        <p className="px-2.5 text-[0.8rem]">
          <span className="block truncate font-medium">{user.name}</span>
          <span className="block truncate text-[0.75rem] text-soft">
            {user.role} · version {session.version}
          </span>
        </p>
        <div className="mt-2 flex gap-1 px-1">
          <button
            type="button"
            className={small}
            onClick={nextTheme}
            title={`Theme: ${choice} (t)`}
            aria-label={`Theme: ${choice}. Change it`}
          >
            <ThemeIcon size={15} aria-hidden />
          </button>
          <button
            type="button"
            className={`${small} font-medium`}
            onClick={onCommands}
            title="Commands and keys (?)"
            aria-label="Commands and keys"
          >
            ?
          </button>
          {user.origin === 'local' && (
            <button
              type="button"
              className={small}
              onClick={() => setPasswordOpen(true)}
              title="Change your password"
              aria-label="Change your password"
            >
              <KeyRound size={15} aria-hidden />
            </button>
          )}
          <button
            type="button"
            className={small}
            onClick={() => void signOut()}
            title="Sign out"
            aria-label="Sign out"
          >
            <LogOut size={15} aria-hidden />
          </button>
        </div>
      </div>
      {isPasswordFetched.current && (
        <Suspense fallback={null}>
          <PasswordForm isOpen={isPasswordOpen} onClose={() => setPasswordOpen(false)} />
        </Suspense>
      )}
    </nav>
  )
}
