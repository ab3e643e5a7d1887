/** The page before the console: one form in the middle. */
import type { ReactNode } from 'react'
import { Mark } from '../shell/mark.tsx'

export function Door({
  title,
  note,
  children,
}: {
  title: string
  note: ReactNode
  children: ReactNode
}) {
  return (
    <main className="grid min-h-dvh place-items-center px-4 py-10">
      <div className="w-full max-w-[22rem]">
        <p className="mb-6 flex items-center gap-2.5 text-[0.95rem] font-[650]">
          <Mark /> Gristmill
        </p>
        <h1>{title}</h1>
        <div className="mt-1 mb-5 text-soft">{note}</div>
        {children}
      </div>
    </main>
  )
}
