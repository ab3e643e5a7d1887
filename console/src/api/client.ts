/** The one way the console talks to the admin API: JSON, CSRF token, typed failures. */
import type { ApiError, SessionView } from './contract.ts'

/** A refusal of the server, or no answer at all (`status` 0). */
export class ApiFailure extends Error {
  readonly status: number
  readonly code: string
  readonly requestId: string | undefined

  constructor(status: number, code: string, message: string, requestId?: string) {
    super(message)
    this.name = 'ApiFailure'
    this.status = status
    this.code = code
    this.requestId = requestId
  }
}

let csrfToken = ''

/** Every change carries the token of the session that is known last. */
export function rememberSession(session: SessionView): SessionView {
  csrfToken = session.csrfToken
  return session
}

export function csrfHeaders(): Record<string, string> {
  return csrfToken === '' ? {} : { 'x-csrf-token': csrfToken }
}

/** @throws ApiFailure */
export async function get<T>(path: string, signal?: AbortSignal): Promise<T> {
  return (await send('GET', path, undefined, signal)) as T
}

/** @throws ApiFailure */
export async function change<T>(
  method: 'POST' | 'PUT' | 'PATCH' | 'DELETE',
  path: string,
  body?: unknown,
  headers: Record<string, string> = {},
): Promise<T> {
  return (await send(method, path, body, undefined, headers)) as T
}

async function send(
  method: string,
  path: string,
  body?: unknown,
  signal?: AbortSignal,
  more: Record<string, string> = {},
) {
  const headers: Record<string, string> = { accept: 'application/json', ...more }
  if (method !== 'GET') Object.assign(headers, csrfHeaders())
  if (body !== undefined) headers['content-type'] = 'application/json'
  const init: RequestInit = { method, headers, credentials: 'same-origin' }
  if (body !== undefined) init.body = JSON.stringify(body)
  if (signal !== undefined) init.signal = signal
  const response = await fetch(path, init).catch((cause: unknown) => {
    if (signal?.aborted) throw cause
    throw noAnswer()
  })
  if (!response.ok) throw await failureOf(response)
  return response.status === 204 ? undefined : response.json()
}

export const noAnswer = () =>
  new ApiFailure(0, 'no_answer', 'The server does not answer. Is gristmill running?')

/** The server's own words where it gave some. */
export async function failureOf(response: Response): Promise<ApiFailure> {
  const fallback = `The server answered ${response.status} without saying why.`
  const text = await response.text()
  const parsed = parseError(text)
  if (parsed === null) return new ApiFailure(response.status, 'unknown', fallback)
  const { code, message, request_id: requestId } = parsed.error
  return new ApiFailure(response.status, code, message, requestId)
}

function parseError(text: string): ApiError | null {
  try {
    const value = JSON.parse(text) as Partial<ApiError> | null
    return value?.error?.message ? (value as ApiError) : null
  } catch {
    // Not ours: a proxy's page, say.
    return null
  }
}
