/** How a call to an engine fails, so that the gateway knows whether another try can help. */

/**
 * `unreachable`: no connection; `broken`: the connection died; `timeout`: silent for too long;
 * `aborted`: we stopped it ourselves.
 */
export type EngineFailureKind = 'unreachable' | 'broken' | 'timeout' | 'aborted'

export class EngineFailure extends Error {
  readonly kind: EngineFailureKind
  /** For `timeout`: what was exceeded, milliseconds. */
  readonly timeoutMs: number | undefined
  readonly #words: string | undefined

  constructor(
    kind: EngineFailureKind,
    message: string,
    options: { cause?: unknown; timeoutMs?: number; words?: string } = {},
  ) {
    super(message, { cause: options.cause })
    this.name = 'EngineFailure'
    this.kind = kind
    this.timeoutMs = options.timeoutMs
    this.#words = options.words
  }

  /**
   * The engine's own words, which may quote what it was asked: for the client. Private, so that no
   * log has them.
   */
  get words(): string | undefined {
    return this.#words
  }
}

const UNREACHABLE = new Set([
  'ECONNREFUSED',
  'ENOTFOUND',
  'EAI_AGAIN',
  'EHOSTUNREACH',
  'ENETUNREACH',
  'EHOSTDOWN',
  'ETIMEDOUT',
  'UND_ERR_CONNECT_TIMEOUT',
])

/** An error of the HTTP client as an `EngineFailure`. */
export function failureOf(error: Error): EngineFailure {
  const code = (error as NodeJS.ErrnoException).code ?? ''
  if (UNREACHABLE.has(code) || code.startsWith('ERR_TLS') || code.startsWith('CERT_')) {
    return new EngineFailure('unreachable', `no connection (${code})`, { cause: error })
  }
  const why = code === '' ? error.message : code
  return new EngineFailure('broken', `the connection broke off (${why})`, { cause: error })
}
