/** Changing something, and showing what came of it everywhere. */
import { useMutation, useQueryClient } from '@tanstack/react-query'
import { change } from './client.ts'

export interface Change {
  method: 'POST' | 'PUT' | 'PATCH' | 'DELETE'
  path: string
  body?: unknown
  /** Sent as `Idempotency-Key`: made once however often it is sent. */
  key?: string
}

/** Another one each time; also where the page has no secure context. */
export function newKey(): string {
  const bytes = crypto.getRandomValues(new Uint8Array(16))
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('')
}

/**
 * @param lists addresses of the lists that may look different afterwards
 * @param onDone is told the answer
 */
export function useChange<Answer>(lists: readonly string[], onDone?: (answer: Answer) => void) {
  const client = useQueryClient()
  return useMutation({
    mutationFn: ({ method, path, body, key }: Change) =>
      change<Answer>(method, path, body, key === undefined ? {} : { 'idempotency-key': key }),
    onSuccess: async (answer) => {
      onDone?.(answer)
      const isTouched = (path: unknown) =>
        typeof path === 'string' && lists.some((list) => path.startsWith(list))
      await client.invalidateQueries({ predicate: ({ queryKey }) => isTouched(queryKey[0]) })
    },
  })
}
