/** The configuration as the program reads it. */
import type { Limits } from './limits.ts'

export interface OidcConfig {
  issuer: string
  name: string
  clientId: string
  clientSecret: string | undefined
  scopes: string
  groupsClaim: string
  /** Of tokens that are taken in place of keys. */
  audiences: string[]
}

/** Where the audit log is sent. */
export interface SyslogConfig {
  protocol: 'udp' | 'tcp'
  host: string
  port: number
}

/** Where traces of requests go. */
export interface TracesConfig {
  url: string
  headers: Record<string, string>
  /** Part of the requests that are traced, 0 to 1. */
  share: number
}

export interface Config {
  /** Folder that holds everything the program keeps. */
  home: string
  host: string
  /** 0 asks the system for a free port. */
  port: number
  /** Address that people use when it differs from host and port (behind a proxy). */
  publicUrl: string | undefined
  databaseUrl: string | undefined
  /** Address for other gateways; undefined where this one is alone on its database. */
  clusterUrl: string | undefined
  /** Server on which tests make their databases, instead of one embedded server per test file. */
  testDatabaseUrl: string | undefined
  /** What seals tenants' files; undefined means a secret of the data home. */
  contentKey: Buffer | undefined
  secretKey: Buffer | undefined
  secretKeyBefore: Buffer | undefined
  /** undefined: people have passwords only. */
  oidc: OidcConfig | undefined
  /** False where only the break-glass owner may use a password. */
  passwordLogin: boolean
  auditSyslog: SyslogConfig | undefined
  offline: boolean
  logLevel: string
  /** Path or name of the model for the embedded engine; undefined means the stored default. */
  model: string | undefined
  /** Of the second engine, which only embeds; undefined where there is none. */
  embeddingModel: string | undefined
  engine: 'embedded' | 'none'
  engineGpu: 'off' | 'auto' | 'cuda' | 'vulkan' | 'metal'
  /** Overrides of what calibration finds. */
  engineCap: number | undefined
  engineThreads: number | undefined
  engineContext: number | undefined
  /** Code of the currency that money is in. */
  currency: string
  /** Who statements are from, line by line. */
  statementIssuer: string | undefined
  /** By what alerts are sent; undefined: by none. */
  mail: MailConfig | undefined
  /** Header that names the end user, trusted only from keys with scope `end_users`. */
  endUserHeader: string | undefined
  revokeEndsStreams: boolean
  /** `fcfs` exists for the demo and the benchmarks: first come, first served and no express. */
  schedulerOrder: 'fair' | 'fcfs'
  trustedProxies: string[]
  /** Addresses that webhooks and guards may reach though they are not public. */
  webhookTargets: string[]
  /** undefined: nowhere. */
  traces: TracesConfig | undefined
  /** Hugging Face hub or a mirror of it, from which models are fetched. */
  hubUrl: string
  hubToken: string | undefined
  /** Processes whose end, however it comes, ends the program; set by what starts it. */
  parents: number[]
  /** Server that the command line talks to; undefined means the one on this machine. */
  clientUrl: string | undefined
  /** Key that the command line proves itself with. */
  clientApiKey: string | undefined
  limits: Limits
}

/** A mail server. */
export interface MailConfig {
  /** `smtp:` or `smtps:`, with the user in it. */
  url: string
  from: string
  password: string | undefined
}
