/** The three weights of a button. */
import type { ButtonHTMLAttributes } from 'react'

const base =
  'inline-flex min-h-8 items-center justify-center gap-1.5 rounded-lg border px-3 py-1 text-[0.84rem] font-medium whitespace-nowrap disabled:opacity-55'

const looks = {
  main: 'border-accent bg-accent text-on-accent hover:not-disabled:brightness-110',
  plain: 'bg-surface text-ink hover:not-disabled:border-edge',
  danger: 'border-bad/45 bg-surface text-bad hover:not-disabled:border-bad',
}

export interface ButtonProps extends ButtonHTMLAttributes<HTMLButtonElement> {
  look?: keyof typeof looks
}

export function Button({ look = 'plain', className = '', type = 'button', ...rest }: ButtonProps) {
  return <button type={type} className={`${base} ${looks[look]} ${className}`} {...rest} />
}

export const linkButtonClass = `${base} ${looks.plain}`
