/** Who is signed in, and what they may do. */
import { useQuery, useQueryClient } from '@tanstack/react-query'
import { createContext, useContext } from 'react'
import { change, get, rememberSession } from './client.ts'
import type { SessionView } from './contract.ts'

export const sessionKey = ['session'] as const

export function useSessionQuery() {
  return useQuery({
    queryKey: sessionKey,
    queryFn: async ({ signal }) => rememberSession(await get<SessionView>('/api/session', signal)),
    staleTime: 60_000,
  })
}

/** Puts a session that an answer carried in place of the known one, and forgets all else. */
export function useReplaceSession(): (session: SessionView) => void {
  const client = useQueryClient()
  return (session) => {
    rememberSession(session)
    client.removeQueries({ predicate: ({ queryKey }) => queryKey[0] !== sessionKey[0] })
    client.setQueryData(sessionKey, session)
  }
}

/** Takes over a session that was renewed for the same person; what is known stays. */
export function useRenewSession(): (session: SessionView) => void {
  const client = useQueryClient()
  return (session) => {
    client.setQueryData(sessionKey, rememberSession(session))
  }
}

export function useSignOut(): () => Promise<void> {
  const replace = useReplaceSession()
  const client = useQueryClient()
  const end = () => change<SessionView>('DELETE', '/api/session')
  return async () => {
    const session = await end().catch(async () => {
      // Signed out or in anew in another tab: this one learns of it, and asks once more.
      await client.invalidateQueries({ queryKey: sessionKey })
      return end()
    })
    replace(session)
  }
}

export interface SignedIn {
  session: SessionView
  user: NonNullable<SessionView['user']>
}

export const SignedInContext = createContext<SignedIn | null>(null)

/** The person on every page behind the sign-in. */
export function useSignedIn(): SignedIn {
  const value = useContext(SignedInContext)
  if (value === null) throw new Error('This part belongs behind the sign-in.')
  return value
}

/** @param permission such as `tenants:write` */
export function useMay(permission: string): boolean {
  return useSignedIn().session.permissions.includes(permission)
}

/** True where only some tenants are within reach. */
export function isBound({ role, tenantIds }: SignedIn['user']): boolean {
  return role !== 'owner' && role !== 'operator' && tenantIds.length > 0
}

/** True where whoever is signed in sees some tenants only, and so no sum over all of them. */
export const useIsBound = () => isBound(useSignedIn().user)

/** As `useMay`, for what is of all tenants: the server refuses it to whoever is bound to some. */
export function useMayOfAll(permission: string): boolean {
  const { user } = useSignedIn()
  return useMay(permission) && !isBound(user)
}
