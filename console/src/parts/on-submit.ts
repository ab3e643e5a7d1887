/** Forms whose fields keep what was typed when the server refuses. */
import type { FormEvent } from 'react'

export function onSubmit(run: (form: FormData) => void) {
  return (event: FormEvent<HTMLFormElement>) => {
    event.preventDefault()
    run(new FormData(event.currentTarget))
  }
}

/** A text field's value; absent and empty are the same. */
export function textOf(form: FormData, name: string): string {
  const value = form.get(name)
  return typeof value === 'string' ? value.trim() : ''
}

/** A number field's value, null where it is empty. */
export function numberOf(form: FormData, name: string): number | null {
  const text = textOf(form, name)
  return text === '' ? null : Number(text)
}
