/**
 * The one table of errors: what can be refused, with which HTTP status, in which words and what
 * the reader can do. `docs/errors.md` mirrors it and a test holds the two together.
 */

export type ErrorType =
  | 'invalid_request_error'
  | 'authentication_error'
  | 'permission_error'
  | 'not_found_error'
  | 'conflict_error'
  | 'rate_limit_error'
  | 'server_error'

interface ErrorEntry {
  status: number
  type: ErrorType
  /** What is wrong; `{name}` is filled from the details. */
  message: string
  /** What the reader can do about it. */
  fix: string
  /** False where sending the same request again cannot help; becomes `x-should-retry: false`. */
  retryable: boolean
}

const entry = (
  status: number,
  type: ErrorType,
  message: string,
  fix: string,
  retryable = false,
): ErrorEntry => ({ status, type, message, fix, retryable })

export const errorTable = {
  // The request itself
  invalid_json: entry(
    400,
    'invalid_request_error',
    'The body is not valid JSON: {reason}.',
    'Send a JSON object with content-type application/json.',
  ),
  invalid_value: entry(
    400,
    'invalid_request_error',
    '{param}: {reason}.',
    'Correct the named field and send the request again.',
  ),
  model_only_embeds: entry(
    400,
    'invalid_request_error',
    'The model {model} turns texts into vectors and writes none.',
    'Ask it at POST /v1/embeddings, or name another model.',
  ),
  unsupported_parameter: entry(
    400,
    'invalid_request_error',
    '{param} is not supported here: {reason}.',
    'Leave the field out, or choose an engine that supports it.',
  ),
  unsupported_schema: entry(
    400,
    'invalid_request_error',
    'The JSON schema uses {feature} at {path}, which this engine cannot enforce.',
    'Express the schema without it, or validate the answer yourself.',
  ),
  guard_refused: entry(
    400,
    'invalid_request_error',
    'The guard {guard} does not let this request pass.',
    'Send it without what the guard looks for, or ask the operator what that is.',
  ),
  context_length_exceeded: entry(
    400,
    'invalid_request_error',
    "This model's context is {contextTokens} tokens; the request needs {requestTokens} ({promptTokens} in the prompt, {maxTokens} to generate).",
    'Shorten the prompt or lower max_tokens.',
  ),
  body_too_large: entry(
    413,
    'invalid_request_error',
    'The body is larger than {maxBytes} bytes.',
    'Send less, or ask the operator to raise GRISTMILL_BODY_BYTES_MAX.',
  ),
  body_too_complex: entry(
    400,
    'invalid_request_error',
    'The body has more than {partsMax} objects, lists and named fields.',
    'Send less at once, or ask the operator to raise GRISTMILL_BODY_PARTS_MAX.',
  ),
  request_timeout: entry(
    408,
    'invalid_request_error',
    'The request did not arrive completely in time.',
    'Send it again over a faster connection.',
    true,
  ),
  headers_too_large: entry(
    431,
    'invalid_request_error',
    'The request headers are too large.',
    'Send fewer or shorter headers.',
  ),
  method_not_allowed: entry(
    405,
    'invalid_request_error',
    '{method} is not allowed at {path}.',
    'Use {allowed}.',
  ),
  unknown_path: entry(
    404,
    'not_found_error',
    'There is nothing at {method} {path}.',
    'Models are served below /v1, the admin API is below /api; see docs/api.md.',
  ),
  not_found: entry(
    404,
    'not_found_error',
    'There is no {kind} {id}.',
    'List what exists, then use its id.',
  ),
  previous_response_not_found: entry(
    400,
    'invalid_request_error',
    'There is no response {id} to go on from: it was never kept, or is gone.',
    'Send the whole input, or go on from a response that GET /v1/responses/{id} knows.',
  ),
  conflict: entry(
    409,
    'conflict_error',
    '{reason}.',
    'Nothing was changed: choose another name where one is taken, else look at how it stands now.',
  ),
  period_refused: entry(
    409,
    'conflict_error',
    'The period stays as it is: {reason}.',
    'Wait until it can be closed, or reopen what closes it, then try again.',
    true,
  ),
  idempotency_key_reused: entry(
    422,
    'invalid_request_error',
    'The Idempotency-Key belongs to an earlier request with another body.',
    'Take a new key for every request, and the same one only to repeat a request byte for byte.',
  ),
  model_not_found: entry(
    404,
    'not_found_error',
    'The model {model} does not exist or this key may not use it.',
    'Ask GET /v1/models which models the key may use.',
  ),
  model_retired: entry(
    404,
    'not_found_error',
    'The model {model} has not been answered since {date}: {instead}.',
    'Ask for the name that has taken its place, or GET /v1/models for those there are.',
  ),
  no_target: entry(
    400,
    'invalid_request_error',
    'No target of the route {model} takes this request of {tenant} (class {class}, about {inputTokens} prompt tokens).',
    'Send a shorter prompt or another class, or ask the operator what the route is for.',
  ),
  invalid_routes: entry(
    400,
    'invalid_request_error',
    'The routes are not valid: {problems}.',
    'Correct them and apply them again; the routes before still hold.',
  ),
  // Files and batches
  too_many_batches: entry(
    429,
    'rate_limit_error',
    'The tenant has {batchesMax} batches that have not ended, which is its limit.',
    'Wait until one has ended, or put more lines into each.',
    true,
  ),
  too_many_responses: entry(
    429,
    'rate_limit_error',
    'The tenant has {backgroundMax} responses in the background that have not ended, which is its limit.',
    'Wait until one has ended, or make a batch of them.',
    true,
  ),
  file_too_large: entry(
    413,
    'invalid_request_error',
    'The file is larger than {maxBytes} bytes.',
    'Split it into several files, or ask the operator to raise GRISTMILL_FILE_BYTES_MAX.',
  ),
  file_quota_exceeded: entry(
    413,
    'invalid_request_error',
    'With this file, those of the tenant would exceed their quota of {quotaBytes} bytes.',
    'Delete files that are no longer needed, or ask the operator to raise GRISTMILL_TENANT_FILE_BYTES_MAX.',
  ),
  too_many_uploads: entry(
    429,
    'rate_limit_error',
    'The gateway receives {uploadsMax} files at once, half of them for one tenant, and no more now.',
    'Wait for the time in Retry-After.',
    true,
  ),
  content_key_wrong: entry(
    503,
    'server_error',
    'The stored content is sealed with another key ({sealedBy}) than this gateway has ({ours}).',
    'An operator can set GRISTMILL_CONTENT_KEY to the key that it was sealed with.',
  ),
  // Who asks
  invalid_api_key: entry(
    401,
    'authentication_error',
    'The API key is not valid: it is unknown, revoked or expired.',
    'Send a valid key as "Authorization: Bearer KEY".',
  ),
  missing_api_key: entry(
    401,
    'authentication_error',
    'The request carries no API key.',
    'Send one as "Authorization: Bearer KEY".',
  ),
  login_required: entry(
    401,
    'authentication_error',
    'This page needs a login.',
    'Sign in, or use a key with the scope that the action needs.',
  ),
  login_failed: entry(
    401,
    'authentication_error',
    'The email address or the password is not right.',
    'Try again, or ask an owner for a new invitation.',
  ),
  password_login_off: entry(
    403,
    'permission_error',
    'Signing in with a password is switched off here but for the break-glass owner, and these are not their address and password.',
    'Sign in with the identity provider.',
  ),
  oidc_failed: entry(
    401,
    'authentication_error',
    'Signing in with {name} did not work: {reason}.',
    'Try again; if it stays, give the operator the request id.',
  ),
  no_rule_fits: entry(
    403,
    'permission_error',
    'No rule fits any group of {who}.',
    'Ask an owner to add a rule for one of the groups, or the directory to put the account into one.',
  ),
  account_not_linked: entry(
    409,
    'conflict_error',
    'There is a user {email} already, and {name} does not vouch for the address.',
    'Sign in as that user, or ask an owner to remove them.',
  ),
  account_deactivated: entry(
    403,
    'permission_error',
    'The account {who} is deactivated.',
    'Ask whoever runs the directory.',
  ),
  identity_provider_unreachable: entry(
    503,
    'server_error',
    'The identity provider {name} cannot be asked: {reason}.',
    'Try again in a moment; the break-glass owner can sign in with a password.',
    true,
  ),
  token_invalid: entry(
    401,
    'authentication_error',
    'The token is not valid: {reason}.',
    'Get a new one from the identity provider.',
  ),
  token_tenant_unclear: entry(
    403,
    'permission_error',
    '{who} reaches several tenants ({count}), and a call with a token is charged to one.',
    'Use a key of the tenant, or ask an owner for a rule that names one tenant.',
  ),
  link_invalid: entry(
    410,
    'authentication_error',
    'The one-time link is unknown, used up or expired.',
    'Make a new one with "gristmill user invite-link", or ask an owner for an invitation.',
  ),
  csrf_token_invalid: entry(
    403,
    'permission_error',
    'The request carries no valid CSRF token of the present session.',
    'Reload the page and try again.',
  ),
  key_revoked: entry(
    401,
    'authentication_error',
    'The API key was revoked while the request ran.',
    'Use another key.',
  ),
  forbidden: entry(
    403,
    'permission_error',
    '{actor} may not {action}.',
    'Ask an owner for the role or scope that allows it.',
  ),
  bad_origin: entry(
    403,
    'permission_error',
    'The request comes from another site.',
    'Use the console at its own address.',
  ),
  // How much
  queue_full: entry(
    429,
    'rate_limit_error',
    'The queue of tenant {tenant} is full ({queueDepthMax} requests waiting).',
    'Wait for the time in Retry-After, or send fewer requests at once.',
    true,
  ),
  tokens_per_minute_exceeded: entry(
    429,
    'rate_limit_error',
    'The limit of {tokensPerMinute} tokens per minute of {scope} is used up.',
    'Wait for the time in Retry-After.',
    true,
  ),
  requests_too_large_for_limit: entry(
    400,
    'invalid_request_error',
    'The request alone needs {requestTokens} tokens; the limit of {scope} is {tokensPerMinute} per minute.',
    'Shorten it, or ask the operator for a higher limit.',
  ),
  budget_exceeded: entry(
    429,
    'rate_limit_error',
    'The budget {budget} has {left} left until {renewsAt}; this request may cost {needed}.',
    'Ask for a shorter answer, or wait until the budget renews; GET /v1/budget says how it stands.',
  ),
  budget_used_up: entry(
    402,
    'rate_limit_error',
    'The budget {budget} has {left} left and does not renew; this request may cost {needed}.',
    'Ask for a shorter answer, or the operator for a larger budget.',
  ),
  budget_too_small: entry(
    402,
    'rate_limit_error',
    'The budget {budget} is {limit} in all; this request may cost {needed}.',
    'Ask for a shorter answer, or the operator for a larger budget.',
  ),
  budget_reserved: entry(
    429,
    'rate_limit_error',
    'Of the budget {budget}, {left} are not spent, but set aside for requests that run; this request may cost {needed}.',
    'Wait for the time in Retry-After, ask for a shorter answer, or send fewer requests at once.',
    true,
  ),
  engine_time_used_up: entry(
    402,
    'rate_limit_error',
    'The request has used up the {seconds} s at an engine that were set aside for it in its budget.',
    'Ask for a stream, which ends with what there is by then, or for a shorter answer.',
  ),
  budget_unbounded: entry(
    400,
    'invalid_request_error',
    'Nobody can say what this request costs at most, which the budget {budget} needs to know.',
    'Leave out pictures, sound and server-side tools, or ask the operator about the price.',
  ),
  too_many_streams: entry(
    429,
    'rate_limit_error',
    'The gateway holds {streamsMax} open requests, which is its limit.',
    'Wait for the time in Retry-After.',
    true,
  ),
  too_many_attempts: entry(
    429,
    'rate_limit_error',
    'Too many attempts from this address.',
    'Wait for the time in Retry-After.',
    true,
  ),
  engine_queue_full: entry(
    429,
    'rate_limit_error',
    'The engine has {waiting} requests waiting, which is its limit.',
    'Wait for the time in Retry-After, or put a gateway in front of the engine.',
    true,
  ),
  wait_limit_exceeded: entry(
    504,
    'server_error',
    'The request waited {waitedMs} ms for an engine, which is its limit.',
    'Raise x-gristmill-max-wait-ms, use a lower class, or try again later.',
    true,
  ),
  // The pool
  resource_unavailable: entry(
    429,
    'rate_limit_error',
    'There is no free capacity for class {class} at the moment.',
    'Wait for the time in Retry-After, or use class standard.',
    true,
  ),
  no_healthy_engine: entry(
    503,
    'server_error',
    'No healthy engine serves {model} at the moment.',
    'Try again after Retry-After; an operator can see the reason under Engines.',
    true,
  ),
  no_scheduler: entry(
    503,
    'server_error',
    'No gateway that schedules can be reached at the moment.',
    'Try again after Retry-After; an operator can see the reason under Cluster.',
    true,
  ),
  gateway_lost: entry(
    502,
    'server_error',
    'The gateway that answers requests with this Idempotency-Key was lost.',
    'Send the request again with the same key; it may run anew.',
    true,
  ),
  engine_failed: entry(
    502,
    'server_error',
    'The engine failed: {reason}.',
    'Try again; the request was not charged beyond what was received.',
    true,
  ),
  engine_unreachable: entry(
    400,
    'invalid_request_error',
    'Nothing at {url} answers as an engine: {reason}.',
    'Check the address and that the engine runs; it must answer GET /v1/models.',
  ),
  engine_rejected: entry(
    502,
    'server_error',
    'The engine answered with status {status}.',
    'An operator can find the details by the request id.',
    true,
  ),
  engine_timeout: entry(
    504,
    'server_error',
    'The engine did not answer within {timeoutMs} ms.',
    'Try again, or ask for fewer tokens.',
    true,
  ),
  guard_unavailable: entry(
    503,
    'server_error',
    'The guard {guard} could not be asked, and nothing passes without it.',
    'Try again later; the operator sees in the log why it did not answer.',
    true,
  ),
  ledger_unavailable: entry(
    503,
    'server_error',
    'The request cannot be recorded at the moment, so it is not served.',
    'Try again after Retry-After.',
    true,
  ),
  shutting_down: entry(
    503,
    'server_error',
    'The gateway is shutting down.',
    'Try again after Retry-After.',
    true,
  ),
  not_ready: entry(
    503,
    'server_error',
    'The gateway is not ready: {reason}.',
    'Try again after Retry-After.',
    true,
  ),
  plan_running: entry(
    409,
    'conflict_error',
    'A plan of yours is being worked out.',
    'Wait until it is done, or cancel it.',
  ),
  too_many_plans: entry(
    429,
    'rate_limit_error',
    'The gateway works out {plansMax} plans at the moment, which is its limit.',
    'Wait for the time in Retry-After.',
    true,
  ),
  internal_error: entry(
    500,
    'server_error',
    'Something went wrong on our side.',
    'Try again; if it stays, give the operator the request id.',
    true,
  ),
  // Starting and running (command line)
  backup_refused: entry(
    409,
    'conflict_error',
    'No backup was written: {reason}.',
    'Give another file, or the data home of this installation with --home.',
  ),
  restore_refused: entry(
    409,
    'conflict_error',
    'Nothing was restored: {reason}.',
    'Give a whole backup of this version or an earlier one, and an empty data home and database.',
  ),
  home_locked: entry(
    409,
    'conflict_error',
    'The data home {home} is in use by process {pid} ({what}, since {since}).',
    'Stop that process, or set GRISTMILL_HOME to another folder.',
  ),
  home_unusable: entry(
    500,
    'server_error',
    'The data home {home} cannot be used: {reason}.',
    'Correct its permissions, or set GRISTMILL_HOME to another folder.',
  ),
  port_in_use: entry(
    409,
    'conflict_error',
    'Port {port} on {host} is in use.',
    'Stop what listens there, or set GRISTMILL_PORT to another port.',
  ),
  disk_full: entry(
    507,
    'server_error',
    'The disk under {path} is full ({freeBytes} bytes free).',
    'Free some space, or move GRISTMILL_HOME.',
  ),
  database_unreachable: entry(
    503,
    'server_error',
    'The database {address} cannot be reached: {reason}.',
    'Check DATABASE_URL and that the server runs.',
    true,
  ),
  database_too_new: entry(
    409,
    'conflict_error',
    'The database has schema version {found}; this program knows {known}.',
    'Start a newer version of Gristmill, or restore an older backup.',
  ),
  migration_changed: entry(
    409,
    'conflict_error',
    'Migration {version} ({name}) was applied to the database with other content than this program has.',
    'Start the version of Gristmill that the database was made with, or a released newer one.',
  ),
  database_too_old: entry(
    409,
    'conflict_error',
    'The database server is PostgreSQL {found}; 15 or newer is needed.',
    'Point DATABASE_URL to a newer server.',
  ),
  database_failed: entry(
    500,
    'server_error',
    'The embedded database did not start: {reason}.',
    'See {logFile}.',
  ),
  scheduler_held: entry(
    409,
    'conflict_error',
    'Another gateway ({holder}) schedules on this database.',
    'Stop it first, or give both GRISTMILL_CLUSTER_URL, so that they share the database.',
  ),
  invalid_config: entry(
    400,
    'invalid_request_error',
    'The configuration is not valid: {reason}.',
    'Correct what is named.',
  ),
  model_file_invalid: entry(
    400,
    'invalid_request_error',
    'The model file {path} cannot be used: {reason}.',
    'Fetch it again, or choose another file.',
  ),
  model_unavailable: entry(
    503,
    'server_error',
    'The model {model} could not be fetched: {reason}.',
    'Check the network, or add a local file with "gristmill model add PATH".',
    true,
  ),
  no_server: entry(
    503,
    'server_error',
    'No running Gristmill was found {where}.',
    'Start one with "gristmill start", or name its address with --url.',
    true,
  ),
  demo_cancelled: entry(
    409,
    'conflict_error',
    'The demo was cancelled before its end.',
    'Start it again with "gristmill demo".',
  ),
  not_confirmed: entry(
    409,
    'conflict_error',
    'Nothing was changed, because nobody confirmed it.',
    'Say --yes to go on without a question.',
  ),
  no_browser: entry(
    500,
    'server_error',
    'No browser was found that prints a PDF.',
    'Install Chromium, Chrome or Edge here, or print the page of --format html in any browser.',
  ),
  runtime_missing: entry(500, 'server_error', '{what} is missing.', '{how}'),
} satisfies Record<string, ErrorEntry>

export type ErrorCode = keyof typeof errorTable
export type ErrorDetails = Record<string, string | number | boolean | null | undefined>

/** An error that a caller is meant to see, by its code in `errorTable`. */
export class GristmillError extends Error {
  readonly code: ErrorCode
  readonly details: ErrorDetails
  /** Milliseconds after which trying again makes sense, where that is known. */
  readonly retryAfterMs: number | undefined

  /**
   * @param code an entry of `errorTable`
   * @param details values for the `{name}` places of its message; never prompts or keys
   */
  constructor(
    code: ErrorCode,
    details: ErrorDetails = {},
    options: { cause?: unknown; retryAfterMs?: number } = {},
  ) {
    super(fill(errorTable[code].message, details), { cause: options.cause })
    this.name = 'GristmillError'
    this.code = code
    this.details = details
    this.retryAfterMs = options.retryAfterMs
  }

  get status(): number {
    return errorTable[this.code].status
  }

  get type(): ErrorType {
    return errorTable[this.code].type
  }

  get retryable(): boolean {
    return errorTable[this.code].retryable
  }

  /** What the reader can do, in one sentence. */
  get fix(): string {
    return fill(errorTable[this.code].fix, this.details)
  }
}

/**
 * Any thrown value as a `GristmillError`; what was not meant for callers becomes `internal_error`.
 */
export function toGristmillError(thrown: unknown): GristmillError {
  if (thrown instanceof GristmillError) return thrown
  return new GristmillError('internal_error', {}, { cause: thrown })
}

/**
 * The error body of the OpenAI wire, with our additions `fix`, `request_id` and `retry_after_ms`.
 */
export function openAiErrorBody(error: GristmillError, requestId?: string) {
  return {
    error: {
      message: `${error.message} ${error.fix}`,
      type: error.type,
      param: typeof error.details.param === 'string' ? error.details.param : null,
      code: error.code,
      ...(requestId !== undefined && { request_id: requestId }),
      ...(error.retryAfterMs !== undefined && { retry_after_ms: error.retryAfterMs }),
    },
  }
}

/** Response headers that go with an error: `Retry-After` in whole seconds and `x-should-retry`. */
export function errorHeaders(error: GristmillError): Record<string, string> {
  const headers: Record<string, string> = {}
  if (error.retryAfterMs !== undefined) {
    headers['retry-after'] = String(Math.max(1, Math.ceil(error.retryAfterMs / 1000)))
    headers['retry-after-ms'] = String(Math.ceil(error.retryAfterMs))
  }
  if (!error.retryable) headers['x-should-retry'] = 'false'
  return headers
}

function fill(template: string, details: ErrorDetails): string {
  return template.replace(/\{(\w+)\}/g, (_, name: string) => String(details[name] ?? 'unknown'))
}
