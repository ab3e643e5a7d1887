/** A quiet action at the end of a table's row. */
import type { ButtonHTMLAttributes } from 'react'

export function RowButton(props: ButtonHTMLAttributes<HTMLButtonElement>) {
  return (
    <button
      type="button"
      className="min-h-6 text-[0.78rem] text-accent underline-offset-2 hover:underline disabled:text-soft"
      {...props}
    />
  )
}
