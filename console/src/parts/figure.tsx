/** A strip of headline figures: label with its span, value with its unit, basis in small print. */
import type { ReactNode } from 'react'

export interface FigureProps {
  label: string
  /** null shows as unknown. */
  value: string | null
  unit?: string
  /** What the number is made of, or why it is unknown. */
  basis: ReactNode
  /** The full definition, for the hover. */
  definition: string
}

export function Figures({ children, isStale }: { children: ReactNode; isStale?: boolean }) {
  return (
    <div
      className={`grid grid-cols-2 overflow-hidden rounded-card border bg-surface lg:auto-cols-fr lg:grid-flow-col lg:grid-cols-none ${isStale ? 'stale' : ''}`}
    >
      {children}
    </div>
  )
}

export function Figure({ label, value, unit, basis, definition }: FigureProps) {
  return (
    <div
      title={definition}
      className="-mt-px -ml-px min-w-0 border-t border-l px-4 pt-3.5 pb-3 sm:px-[18px]"
    >
      <p className="text-[0.8rem] text-soft">{label}</p>
      <p className="mt-0.5 text-[1.7rem] tabular-nums leading-[1.3] font-[620] tracking-[-0.025em]">
        {value ?? <span className="text-[1.1rem] font-medium text-soft">unknown</span>}
        {value !== null && unit !== undefined && (
          <small className="ml-1 text-sm whitespace-nowrap font-medium tracking-normal text-soft">
            {unit}
          </small>
        )}
      </p>
      <p className="text-[0.78rem] text-soft">{basis}</p>
    </div>
  )
}
