/** A titled part of a page; hairline, no shadow. */
import type { ReactNode } from 'react'

export interface CardProps {
  title: string
  /** The span and basis of what is inside, in small print. */
  note?: ReactNode
  actions?: ReactNode
  children: ReactNode
  className?: string
  isStale?: boolean
}

export function Card({ title, note, actions, children, className = '', isStale }: CardProps) {
  return (
    <section
      aria-label={title}
      className={`min-w-0 rounded-card border bg-surface px-4 pt-3.5 pb-4 sm:px-[18px] ${className}`}
    >
      <header className="mb-3 flex flex-wrap items-baseline justify-between gap-x-4 gap-y-1">
        <h2 className="text-sm font-[620]">{title}</h2>
        {note !== undefined && <p className="text-[0.78rem] text-soft">{note}</p>}
        {actions}
      </header>
      <div className={isStale ? 'stale' : undefined}>{children}</div>
    </section>
  )
}
