/** Form fields: a visible label, the control, and what it means in small print. */
import type { InputHTMLAttributes, ReactNode, SelectHTMLAttributes } from 'react'
import { useId } from 'react'

export const controlClass =
  'w-full min-w-0 rounded-lg border border-edge/60 bg-surface px-2.5 py-1.5 text-[0.84rem] text-ink'

interface Around {
  label: string
  hint?: ReactNode
}

export function Field({ label, hint, ...input }: Around & InputHTMLAttributes<HTMLInputElement>) {
  const id = useId()
  return (
    <div className="min-w-0">
      <label htmlFor={id} className="mb-1 block text-[0.8rem] font-medium">
        {label}
      </label>
      <input
        id={id}
        aria-describedby={hint === undefined ? undefined : `${id}-hint`}
        className={controlClass}
        {...input}
      />
      {hint !== undefined && <Hint id={`${id}-hint`}>{hint}</Hint>}
    </div>
  )
}

export function Choice({
  label,
  hint,
  children,
  ...select
}: Around & SelectHTMLAttributes<HTMLSelectElement>) {
  const id = useId()
  return (
    <div className="min-w-0">
      <label htmlFor={id} className="mb-1 block text-[0.8rem] font-medium">
        {label}
      </label>
      <select
        id={id}
        aria-describedby={hint === undefined ? undefined : `${id}-hint`}
        className={controlClass}
        {...select}
      >
        {children}
      </select>
      {hint !== undefined && <Hint id={`${id}-hint`}>{hint}</Hint>}
    </div>
  )
}

function Hint({ id, children }: { id: string; children: ReactNode }) {
  return (
    <p id={id} className="mt-1 text-[0.75rem] text-soft">
      {children}
    </p>
  )
}
