/** Changing something, and showing what came of it everywhere. */
import { useMutation, useQueryClient } from '@tanstack/react-query'
import { change } from './client.ts'

export interface Change {
  method: 'POST' | 'PUT' | 'PATCH' | 'DELETE'
  path: string
  body?: unknown
}

/**
 * @param lists addresses of the lists that may look different afterwards
 * @param onDone is told the answer
 */
export function useChange<Answer>(lists: readonly string[], onDone?: (answer: Answer) => void) {
  const client = useQueryClient()
  return useMutation({
    mutationFn: ({ method, path, body }: Change) => change<Answer>(method, path, body),
    onSuccess: async (answer) => {
      onDone?.(answer)
      const isTouched = (path: unknown) =>
        typeof path === 'string' && lists.some((list) => path.startsWith(list))
      await client.invalidateQueries({ predicate: ({ queryKey }) => isTouched(queryKey[0]) })
    },
  })
}
