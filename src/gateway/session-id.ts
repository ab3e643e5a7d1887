/**
 * Which conversation a request belongs to, as agent programs tell it: for the ledger, and for
 * where its prompt is warm. Believed as it comes, since it is only compared within a tenant.
 */
import type { IncomingHttpHeaders } from 'node:http'

/** Of Claude Code, Codex CLI and pi in two spellings, and OpenCode; the most specific first. */
export const SESSION_HEADERS = [
  'x-claude-code-session-id',
  'session-id',
  'session_id',
  'x-session-id',
  'x-session-affinity',
] as const

const LENGTH_MAX = 128
/** As older versions of Claude Code write it: `user_…_account_…_session_…`. */
const [USER, ACCOUNT, SESSION] = ['user_', '_account_', '_session_']

/** What a body says of who asks; null where it says nothing. */
export interface Asker {
  endUser: string | null
  sessionId: string | null
}

/** @param inBody what the body says; a header goes first */
export function sessionIdOf(headers: IncomingHttpHeaders, inBody: string | null): string | null {
  for (const name of SESSION_HEADERS) {
    const value = headers[name]
    if (typeof value === 'string' && isUsable(value)) return value
  }
  return inBody !== null && isUsable(inBody) ? inBody : null
}

/** Reads `metadata.user_id`, in which Claude Code tells device, account and session at once. */
export function askerOf(userId: string): Asker {
  const legacy = legacyAskerOf(userId)
  if (legacy !== undefined) return legacy
  const plain = { endUser: userId === '' ? null : userId, sessionId: null }
  if (!userId.startsWith('{')) return plain
  const told = objectOf(userId)
  if (typeof told?.session_id !== 'string') return plain
  const person = [told.account_uuid, told.device_id].find((id) => typeof id === 'string' && id)
  return { endUser: (person as string | undefined) ?? null, sessionId: told.session_id }
}

/** Without a pattern, which could be made to take minutes over a long name. */
function legacyAskerOf(userId: string): Asker | undefined {
  if (!userId.startsWith(USER)) return undefined
  const accountAt = userId.indexOf(ACCOUNT, USER.length + 1)
  const sessionAt = accountAt === -1 ? -1 : userId.indexOf(SESSION, accountAt + ACCOUNT.length)
  const sessionId = userId.slice(sessionAt + SESSION.length)
  if (sessionAt === -1 || sessionId === '') return undefined
  const account = userId.slice(accountAt + ACCOUNT.length, sessionAt)
  return { endUser: account || userId.slice(USER.length, accountAt), sessionId }
}

function objectOf(text: string): Record<string, unknown> | undefined {
  try {
    return JSON.parse(text) as Record<string, unknown>
  } catch {
    // Somebody's name that begins with a brace.
    return undefined
  }
}

/** Printable and short, or it names nothing. */
const isUsable = (value: string): boolean =>
  value.length > 0 && value.length <= LENGTH_MAX && /^[\x21-\x7e]+$/.test(value)
