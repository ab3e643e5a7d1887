/**
 * A real HTTP server on a real database with small stand-ins for the rooms behind it; for the
 * tests of this room and never used by the program.
 */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import {
  type Clock,
  createLogger,
  createRegistry,
  readConfig,
  systemClock,
  systemRandom,
} from '../base/index.ts'
import { Books, Reconciliations, Retention } from '../meter/index.ts'
import { openTestDatabase, type TestDatabase } from '../store/index.ts'
import { createTenancy, type Tenancy, type TokenOptions } from '../tenancy/index.ts'
import { createHttpServer, type HttpServer } from './server.ts'
import type { HttpOptions } from './services.ts'
import { standIns } from './test-services.ts'

export const LOCAL_TOKEN = 'a'.repeat(64)

export interface TestServer {
  url: string
  http: HttpServer
  database: TestDatabase
  tenancy: Tenancy
  /** Folder that the console is served from; empty at first. */
  consoleFolder: string
  /** Asks with a JSON body; the answer's body is parsed where it is JSON. */
  ask(method: string, path: string, options?: AskOptions): Promise<Answer>
  close(): Promise<void>
}

export interface AskOptions {
  body?: unknown
  headers?: Record<string, string>
  /** As the command line of this machine. */
  local?: boolean
  key?: string
}

export interface Answer {
  status: number
  headers: Headers
  // biome-ignore lint/suspicious/noExplicitAny: tests read what they expect, or fail
  json: any
  text: string
}

/** Starts one. @param changes options that differ from the stand-ins */
export async function openTestServer({
  tokens,
  ...changes
}: Partial<HttpOptions> & { clock?: Clock; tokens?: TokenOptions } = {}): Promise<TestServer> {
  const database = await openTestDatabase()
  const clock = changes.clock ?? systemClock
  const logger = changes.logger ?? createLogger('silent', 'test')
  const tenancy = await createTenancy({ database, clock, random: systemRandom, logger, tokens })
  const consoleFolder = mkdtempSync(join(tmpdir(), 'gristmill-console-'))
  const http = await createHttpServer({
    ...standIns(),
    reconciliations: new Reconciliations({ database, audit: tenancy.audit, clock }),
    retention: new Retention({
      ...{ database, audit: tenancy.audit, clock, logger },
      ...{ months: 13, minuteDays: 100 },
    }),
    books: new Books({ database, tenancy, clock, currency: 'USD', seed: new Uint8Array(32) }),
    database,
    tenancy,
    registry: createRegistry(),
    clock,
    random: systemRandom,
    logger,
    host: '127.0.0.1',
    port: 0,
    trustedProxies: [],
    limits: readConfig({}).limits,
    version: '0.0.0-test',
    consoleFolder,
    sessionSecret: new Uint8Array(32).fill(7),
    localToken: LOCAL_TOKEN,
    passwordLogin: true,
    ...changes,
  })
  const close = async () => {
    await http.close(200)
    await tenancy.close()
    await database.close()
    rmSync(consoleFolder, { recursive: true })
  }
  await http.listen().catch(async (error: unknown) => {
    await close()
    throw error
  })
  return {
    url: http.url,
    http,
    database,
    tenancy,
    consoleFolder,
    ask: (method, path, options) => ask(http.url, method, path, options),
    close,
  }
}

async function ask(
  url: string,
  method: string,
  path: string,
  { body, headers = {}, local, key }: AskOptions = {},
): Promise<Answer> {
  const response = await fetch(url + path, {
    method,
    redirect: 'manual',
    headers: {
      ...(local && { 'x-gristmill-local': LOCAL_TOKEN }),
      ...(key !== undefined && { authorization: `Bearer ${key}` }),
      ...(body !== undefined && { 'content-type': 'application/json' }),
      ...headers,
    },
    ...(body !== undefined && { body: typeof body === 'string' ? body : JSON.stringify(body) }),
  })
  const text = await response.text()
  const isJson = /[/+]json/.test(response.headers.get('content-type') ?? '')
  return {
    status: response.status,
    headers: response.headers,
    json: isJson && text !== '' ? JSON.parse(text) : undefined,
    text,
  }
}
