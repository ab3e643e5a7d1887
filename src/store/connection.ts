/**
 * How connections are made: the address as the driver wants it, our sockets, types and timeouts,
 * and why a server could not be reached, in words.
 */
import { connect as connectSocket, type Socket } from 'node:net'
import type postgres from 'postgres'
import { GristmillError } from '../base/index.ts'
import { postgres as driver } from './driver.ts'

/** Tagged templates on the pool. */
export type Sql = postgres.Sql
/** The same inside a transaction. */
export type Transaction = postgres.TransactionSql
/** Either; for functions that do not care. */
export type Queries = postgres.ISql

export interface ConnectOptions {
  connections: number
  /** Shown in pg_stat_activity. */
  name: string
  /** Longest run of one statement, milliseconds; 0 for no limit. */
  statementMsMax: number
  connectMsMax?: number
  /** Connections stay open however old they are; for what belongs to a session. */
  keep?: boolean
  onNotify?: (channel: string, payload: string) => void
  onClose?: () => void
}

export interface Connected {
  sql: Sql
  /** Cuts every connection; running queries reject. */
  cut(): void
}

const CONNECT_MS_MAX = 5000

/**
 * A client of the database; connects on first use.
 *
 * Types: `int8` is read as a number and a value beyond 2^53 − 1 throws, so token counts are plain
 * numbers and nothing is ever rounded. Money belongs into `numeric`, which is read as a string
 * for `BigInt(…)`; a `sum` of `int8` is `numeric` too and wants a cast to `int8`.
 * @param url `postgresql://…`; a Unix socket as percent-encoded host or as `?host=/folder`
 * @throws GristmillError `database_unreachable` when the URL is not one
 */
export function connect(url: string, options: ConnectOptions): Connected {
  const { socketPath, host, port, ...address } = parseAddress(url)
  const sockets = new Set<Socket>()
  // Own sockets, so that connections to a server that no longer answers can be cut.
  const socket = () => {
    const made = socketPath ? connectSocket(socketPath) : connectSocket(port, host)
    // Not as they close: for TLS the driver takes away who listens to them.
    for (const one of sockets) if (one.destroyed) sockets.delete(one)
    sockets.add(made)
    return Object.assign(made, { host, port })
  }
  const given = {
    ...address,
    // Only named in messages; `socket` makes the connection.
    host,
    port,
    socket,
    max: options.connections,
    connect_timeout: (options.connectMsMax ?? CONNECT_MS_MAX) / 1000,
    // The driver's own waits grow to 20 s, too long for a server that is back.
    backoff: (attempt: number) => Math.min(1, 0.05 * 2 ** attempt),
    fetch_types: false,
    types: { bigint: INT8 },
    onnotice: () => {},
    onnotify: options.onNotify,
    onclose: options.onClose ?? (() => {}),
    // After a failover an address may still lead to what is a replica by then; who stayed connected
    // to it could write nothing any more. The driver closes such a connection before it is used.
    target_session_attrs: 'primary' as const,
    connection: {
      ...address.parameters,
      application_name: `gristmill ${options.name}`,
      statement_timeout: options.statementMsMax,
      // Days and months that statements add are those of this zone, whatever the server's is.
      TimeZone: 'UTC',
      idle_in_transaction_session_timeout: 60_000,
      ...(options.keep && { tcp_keepalives_idle: 5, tcp_keepalives_interval: 2 }),
      ...(options.keep && { tcp_keepalives_count: 3 }),
    },
    ...(options.keep && { max_lifetime: null }),
  }
  const cut = () => {
    for (const open of sockets) open.destroy()
  }
  return { sql: driver(given) as unknown as Sql, cut }
}

const INT8 = {
  to: 20,
  from: [20],
  serialize: (value: number | bigint) => String(value),
  parse: (text: string) => {
    const value = Number(text)
    if (!Number.isSafeInteger(value)) throw new RangeError(`int8 value ${text} is not exact`)
    return value
  },
}

interface Address {
  socketPath: string | undefined
  host: string
  port: number
  user: string
  pass: string
  database: string
  ssl: false | 'require' | 'allow' | 'prefer' | 'verify-full'
  /** Server settings given in the URL. */
  parameters: Record<string, string>
}

/** The parts of a `postgresql://` URL, as libpq understands them. */
export function parseAddress(text: string): Address {
  const url = URL.canParse(text) ? new URL(text) : undefined
  if (!url || !['postgres:', 'postgresql:'].includes(url.protocol)) {
    throw wrongUrl('it is not a URL of the form postgresql://USER:PASSWORD@HOST:PORT/DATABASE')
  }
  const query = Object.fromEntries(url.searchParams)
  const { host: queryHost, port: queryPort, user, password, dbname, sslmode, ...rest } = query
  // An address of IPv6 is in brackets, in which nothing looks it up.
  const named = decodeURIComponent(url.hostname).replace(/^\[(.*)\]$/, '$1')
  const host = named || queryHost || 'localhost'
  const port = Number(url.port || queryPort || 5432)
  const name = decodeURIComponent(url.username) || user || 'postgres'
  return {
    socketPath: host.startsWith('/') ? `${host}/.s.PGSQL.${port}` : undefined,
    host,
    port,
    user: name,
    pass: decodeURIComponent(url.password) || password || '',
    database: decodeURIComponent(url.pathname.slice(1)) || dbname || name,
    ssl: sslMode(sslmode),
    parameters: rest,
  }
}

const SSL_MODES: Record<string, Address['ssl']> = {
  disable: false,
  allow: 'allow',
  prefer: 'prefer',
  require: 'require',
  'verify-ca': 'verify-full',
  'verify-full': 'verify-full',
}

function sslMode(mode = 'disable'): Address['ssl'] {
  const known = SSL_MODES[mode]
  // One that was misspelt must not mean none.
  if (known === undefined) throw wrongUrl(`sslmode is one of ${Object.keys(SSL_MODES).join(', ')}`)
  return known
}

const wrongUrl = (reason: string) =>
  new GristmillError('database_unreachable', { address: 'in DATABASE_URL', reason })

/** The address without what is secret in it. */
export function publicAddress(url: string): string {
  const { host, port, database } = parseAddress(url)
  return `${host.includes(':') ? `[${host}]` : host}:${port}/${database}`
}

/** Code of a wait for a first answer that has ended. */
export const NO_ANSWER = 'NO_ANSWER'

const REASONS: Record<string, string> = {
  [NO_ANSWER]: 'it takes connections and does not answer as PostgreSQL does',
  ECONNREFUSED: 'nothing accepts connections there',
  ECONNRESET: 'it closed the connection',
  ENOTFOUND: 'the host name is unknown',
  EAI_AGAIN: 'the host name cannot be looked up',
  ENOENT: 'there is no such socket',
  EACCES: 'permission denied',
  EHOSTUNREACH: 'there is no way to the host',
  ENETUNREACH: 'there is no way to the network',
  ETIMEDOUT: 'it does not answer',
  CONNECT_TIMEOUT: 'it does not answer',
  CONNECTION_CLOSED: 'it closed the connection',
  CONNECTION_ENDED: 'the connection was closed',
  CONNECTION_DESTROYED:
    'the connection was closed; a replica cannot be used, since it is read-only',
  EPIPE: 'it closed the connection',
  // Server side: shut down by an operator, crashed, still starting, no free connection.
  '57P01': 'it is shutting down',
  '57P02': 'it crashed and restarts',
  '57P03': 'it is starting',
  '53300': 'it has no connection free',
}

const NEVER_SENT = new Set([
  'ECONNREFUSED',
  'ENOTFOUND',
  'EAI_AGAIN',
  'ENOENT',
  'EACCES',
  'EHOSTUNREACH',
  'ENETUNREACH',
  'CONNECT_TIMEOUT',
  '57P03',
  '53300',
])

const REFUSALS: Record<string, string> = {
  '28P01': 'the user or the password is wrong',
  '28000': 'it does not let this user in',
  '3D000': 'there is no database of that name',
}

/** Whether an error means that the database is away, so that trying again later makes sense. */
export function isUnreachable(error: unknown): boolean {
  return codeOf(error) in REASONS
}

/** Whether what was asked for did not get as far as the server, so that it was not done. */
export function wasNeverSent(error: unknown): boolean {
  return NEVER_SENT.has(codeOf(error))
}

/** How a certificate is refused, as OpenSSL and Node.js call it. */
const CERTIFICATE = /^(?:CERT_|DEPTH_ZERO_|SELF_SIGNED_|UNABLE_TO_|ERR_TLS_CERT_)/
/** A setting that the server does not know, or a value that it does not take. */
const SETTINGS = ['42704', '22023']

function reasonOf(error: unknown, { ssl }: Address): string | undefined {
  const code = codeOf(error)
  const { message, severity } = error as { message: string; severity?: string }
  // As the connection began, so of what the address says.
  if (severity === 'FATAL' && SETTINGS.includes(code)) {
    return `parameters of the address are settings of the server, which refuses one: ${message}`
  }
  if (CERTIFICATE.test(code)) return `its certificate is not accepted: ${message}`
  // The driver says so of a server without TLS too.
  if (code === 'ECONNRESET' && ssl !== false) {
    return `${REASONS[code]}, perhaps as it has no TLS, which sslmode asks for`
  }
  return REASONS[code] ?? REFUSALS[code]
}

/** An error of connecting as `database_unreachable` with a reason; any other unchanged. */
export function connectionError(url: string, error: unknown): unknown {
  const reason = reasonOf(error, parseAddress(url))
  if (reason === undefined) return error
  const details = { address: publicAddress(url), reason }
  return new GristmillError('database_unreachable', details, { cause: error })
}

function codeOf(error: unknown): string {
  const { code } = error as { code?: unknown }
  if (typeof code === 'string') return code
  // Several addresses of one host name failed, each for its own reason.
  return error instanceof AggregateError ? codeOf(error.errors[0]) : ''
}
