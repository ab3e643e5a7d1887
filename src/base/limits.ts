/**
 * Every bound of the program: name, default, environment variable and meaning in one table, from
 * which the configuration and `docs/operate.md` are made. Crossing one gives an error of the table.
 */

export interface LimitEntry {
  default: number
  /** Below it nothing would be let through; 0 where that turns something off. */
  least: number
  /** Above it nothing would be bounded, or what counts it would overflow. */
  most: number
  env: string
  meaning: string
}

const limit = (
  value: number,
  [least, most]: [number, number],
  env: string,
  meaning: string,
): LimitEntry => ({ default: value, least, most, env, meaning })

const KIBIBYTE = 1024
const MEBIBYTE = 1024 * KIBIBYTE
const GIBIBYTE = 1024 * MEBIBYTE
const TEBIBYTE = 1024 * GIBIBYTE
/** What is parsed is a string, and one of Node has less than 512 Mi characters. */
const TEXT_BYTES_MAX = 256 * MEBIBYTE
/** What timers wait for is bound by days: those of Node wait for 24 at most. */
const DAY_MS = 86_400_000

export const limitTable = {
  bodyBytesMax: limit(
    10 * MEBIBYTE,
    [KIBIBYTE, TEXT_BYTES_MAX],
    'GRISTMILL_BODY_BYTES_MAX',
    'largest request body, bytes',
  ),
  bodyPartsMax: limit(
    100_000,
    [1000, 10_000_000],
    'GRISTMILL_BODY_PARTS_MAX',
    'objects, lists and named fields of one request body together',
  ),
  headerBytesMax: limit(
    16 * KIBIBYTE,
    [KIBIBYTE, MEBIBYTE],
    'GRISTMILL_HEADER_BYTES_MAX',
    'largest request head, bytes',
  ),
  queueDepthMax: limit(
    1000,
    [1, 1_000_000],
    'GRISTMILL_QUEUE_DEPTH_MAX',
    'waiting requests of one tenant, unless its policy says less',
  ),
  waitMsMax: limit(
    300_000,
    [1, DAY_MS],
    'GRISTMILL_WAIT_MS_MAX',
    'longest wait for an engine, milliseconds',
  ),
  commitAfterMs: limit(
    10_000,
    [0, DAY_MS],
    'GRISTMILL_COMMIT_AFTER',
    'wait after which a streamed request gets its status 200 and keep-alive comments, milliseconds',
  ),
  keepAliveMs: limit(
    10_000,
    [100, DAY_MS],
    'GRISTMILL_KEEP_ALIVE_MS',
    'time between keep-alive comments, milliseconds',
  ),
  outputTokensMax: limit(
    8192,
    [1, 10_000_000],
    'GRISTMILL_OUTPUT_TOKENS_MAX',
    'largest max_tokens of one request',
  ),
  outputTokensDefault: limit(
    1024,
    [1, 10_000_000],
    'GRISTMILL_OUTPUT_TOKENS_DEFAULT',
    'max_tokens where the request names none',
  ),
  choicesMax: limit(8, [1, 128], 'GRISTMILL_CHOICES_MAX', 'largest n of one request'),
  streamsMax: limit(4096, [1, 1_000_000], 'GRISTMILL_STREAMS_MAX', 'open requests of one gateway'),
  streamBufferBytesMax: limit(
    256 * KIBIBYTE,
    [KIBIBYTE, GIBIBYTE],
    'GRISTMILL_STREAM_BUFFER_BYTES_MAX',
    'bytes held for one slow client before its engine is paused',
  ),
  slowClientMsMax: limit(
    60_000,
    [1000, DAY_MS],
    'GRISTMILL_SLOW_CLIENT_MS_MAX',
    'time a client may leave its stream unread, milliseconds',
  ),
  engineFirstByteMsMax: limit(
    120_000,
    [1000, DAY_MS],
    'GRISTMILL_ENGINE_FIRST_BYTE_MS_MAX',
    'longest time from dispatch to the first byte of an engine, milliseconds',
  ),
  engineIdleMsMax: limit(
    60_000,
    [1000, DAY_MS],
    'GRISTMILL_ENGINE_IDLE_MS_MAX',
    'longest silence of an engine within a stream, milliseconds',
  ),
  engineAnswerMsMax: limit(
    600_000,
    [1000, DAY_MS],
    'GRISTMILL_ENGINE_ANSWER_MS_MAX',
    'longest time from dispatch to the whole answer of a request without streaming, milliseconds',
  ),
  answerBytesMax: limit(
    64 * MEBIBYTE,
    [KIBIBYTE, TEXT_BYTES_MAX],
    'GRISTMILL_ANSWER_BYTES_MAX',
    'largest answer of a request without streaming, and largest event of a stream, bytes',
  ),
  idempotencyMsMax: limit(
    3_600_000,
    [0, 30 * DAY_MS],
    'GRISTMILL_IDEMPOTENCY_MS_MAX',
    'time an answer is kept for requests with the same Idempotency-Key, milliseconds',
  ),
  responseCacheMsMax: limit(
    3_600_000,
    [0, 30 * DAY_MS],
    'GRISTMILL_RESPONSE_CACHE_MS_MAX',
    'time an answer stays in the response cache, milliseconds',
  ),
  keptBytesMax: limit(
    64 * MEBIBYTE,
    [0, 64 * GIBIBYTE],
    'GRISTMILL_KEPT_BYTES_MAX',
    'answers kept for both together, bytes; one may have an eighth of it',
  ),
  ledgerPendingMax: limit(
    50_000,
    [100, 10_000_000],
    'GRISTMILL_LEDGER_PENDING_MAX',
    'ledger rows of one kind held in memory until the database has them',
  ),
  ledgerWaitMs: limit(
    2000,
    [100, 3_600_000],
    'GRISTMILL_LEDGER_WAIT_MS',
    'longest wait of a request for its intent to be durable, milliseconds',
  ),
  ledgerStallMs: limit(
    5000,
    [100, 3_600_000],
    'GRISTMILL_LEDGER_STALL_MS',
    'time without an answer after which the database counts as away for the ledger, milliseconds',
  ),
  databaseAwayMsMax: limit(
    300_000,
    [0, DAY_MS],
    'GRISTMILL_DATABASE_AWAY_MS_MAX',
    'time without the database for which a gateway that is alone takes requests into its journal and trusts the keys that it knows, milliseconds; 0 refuses at once',
  ),
  fileBytesMax: limit(
    200 * MEBIBYTE,
    [KIBIBYTE, TEBIBYTE],
    'GRISTMILL_FILE_BYTES_MAX',
    'largest file, bytes',
  ),
  tenantFileBytesMax: limit(
    10 * GIBIBYTE,
    [0, 1024 * TEBIBYTE],
    'GRISTMILL_TENANT_FILE_BYTES_MAX',
    'files and kept responses of one tenant together, bytes; beyond it uploads are refused and responses not kept',
  ),
  fileRetentionDays: limit(
    30,
    [1, 365_000],
    'GRISTMILL_FILE_RETENTION_DAYS',
    'age at which a file is destroyed, unless it says otherwise, days',
  ),
  batchDays: limit(
    400,
    [1, 365_000],
    'GRISTMILL_BATCH_DAYS',
    'days that a batch can be looked up after its end; its files go by their own age',
  ),
  listPriceDaysMax: limit(
    90,
    [1, 365_000],
    'GRISTMILL_LIST_PRICE_DAYS_MAX',
    'age from which list prices of closed services are warned of, days',
  ),
  requestMonths: limit(
    1200,
    [0, 12_000],
    'GRISTMILL_REQUEST_MONTHS',
    'whole months that single requests are kept on the ledger once they are on statements; totals are kept for ever',
  ),
  minuteDays: limit(
    100,
    [10, 365_000],
    'GRISTMILL_MINUTE_DAYS',
    'days that minutes of engines are kept once they are on statements; their sums by the day are kept for ever',
  ),
  uploadsMax: limit(
    32,
    [1, 10_000],
    'GRISTMILL_UPLOADS_MAX',
    'files that one gateway receives at once; half of them, rounded up, for one tenant',
  ),
  uploadMsMax: limit(
    1_800_000,
    [1000, DAY_MS],
    'GRISTMILL_UPLOAD_MS_MAX',
    'longest time for a file to arrive, milliseconds',
  ),
  batchLinesMax: limit(50_000, [1, 10_000_000], 'GRISTMILL_BATCH_LINES_MAX', 'lines of one batch'),
  batchesMax: limit(
    100,
    [1, 100_000],
    'GRISTMILL_BATCHES_MAX',
    'batches of one tenant that have not ended',
  ),
  batchWindowMsMax: limit(
    14 * DAY_MS,
    [60_000, 366 * DAY_MS],
    'GRISTMILL_BATCH_WINDOW_MS_MAX',
    'longest completion window of a batch, milliseconds',
  ),
  batchLinesInFlightMax: limit(
    512,
    [1, 100_000],
    'GRISTMILL_BATCH_LINES_IN_FLIGHT_MAX',
    'lines of one batch that wait for an engine or run on one',
  ),
  batchBytesInFlightMax: limit(
    256 * MEBIBYTE,
    [KIBIBYTE, TEBIBYTE],
    'GRISTMILL_BATCH_BYTES_IN_FLIGHT_MAX',
    'those lines of all batches together, bytes; a batch that has none may have one',
  ),
  batchModelWaitMsMax: limit(
    3_600_000,
    [0, 366 * DAY_MS],
    'GRISTMILL_BATCH_MODEL_WAIT_MS_MAX',
    'longest wait of lines for a model that no engine has any more, milliseconds',
  ),
  backgroundMax: limit(
    100,
    [1, 100_000],
    'GRISTMILL_BACKGROUND_MAX',
    'responses of one tenant in the background that have not ended',
  ),
  backgroundMsMax: limit(
    DAY_MS,
    [1000, 20 * DAY_MS],
    'GRISTMILL_BACKGROUND_MS_MAX',
    'longest time that a response in the background waits for its answer, milliseconds',
  ),
  planTraceBytesMax: limit(
    16 * MEBIBYTE,
    [KIBIBYTE, TEXT_BYTES_MAX],
    'GRISTMILL_PLAN_TRACE_BYTES_MAX',
    'largest trace that a plan is made for in the gateway, bytes',
  ),
  planMsMax: limit(
    300_000,
    [1000, DAY_MS],
    'GRISTMILL_PLAN_MS_MAX',
    'longest time that a plan, or a question about it, is worked on, milliseconds',
  ),
  budgetWaitMsMax: limit(
    10_000,
    [0, DAY_MS],
    'GRISTMILL_BUDGET_WAIT_MS_MAX',
    'longest wait for what a budget has set aside for other requests, milliseconds',
  ),
  traceDestinationsMax: limit(
    1000,
    [0, 100_000],
    'GRISTMILL_TRACE_DESTINATIONS_MAX',
    'tenants that have traces of their requests sent to themselves',
  ),
  pageRowsMax: limit(200, [1, 10_000], 'GRISTMILL_PAGE_ROWS_MAX', 'rows of one page of a list'),
  shutdownMsMax: limit(
    30_000,
    [0, DAY_MS],
    'GRISTMILL_SHUTDOWN_MS_MAX',
    'time running streams get to finish at shutdown, milliseconds',
  ),
} satisfies Record<string, LimitEntry>

export type Limits = Record<keyof typeof limitTable, number>
