/** A titled part of a page; hairline, no shadow. */
import type { ReactNode } from 'react'

export interface CardProps {
  title: string
  /** The span and basis of what is inside, in small print. */
  note?: ReactNode
  actions?: ReactNode
  children: ReactNode
  className?: string
  bodyClassName?: string
  isStale?: boolean
}

export function Card(props: CardProps) {
  const { title, note, actions, children, className = '', bodyClassName = '', isStale } = props
  return (
    <section
      aria-label={title}
      className={`min-w-0 rounded-card border bg-surface px-4 pt-3.5 pb-4 sm:px-[18px] ${className}`}
    >
      <header className="mb-3 flex flex-wrap items-baseline justify-between gap-x-4 gap-y-1">
        <h2 className="text-sm font-[620]">{title}</h2>
        <div className="flex flex-wrap items-baseline gap-x-5 text-[0.78rem] text-soft">
          {note !== undefined && <div>{note}</div>}
          {actions}
        </div>
      </header>
      <div className={`${bodyClassName} ${isStale ? 'stale' : ''}`}>{children}</div>
    </section>
  )
}
