/**
 * Batches as the command line sees them: by the admin API where the caller may use it, else by
 * `/v1/batches` with the tenant's own key. Knows nothing of how they are shown.
 */
import type { Clock } from '../base/index.ts'
import type { BatchForecast, BatchView } from '../http/index.ts'
import { type AdminClient, ServerError } from './client.ts'
import { count, duration } from './units.ts'

/** What both ways tell of a batch; the admin API tells more, and `--json` prints all of it. */
export type BatchSight = Omit<
  BatchView,
  'tenantId' | 'projectId' | 'keyId' | 'serviceClass' | 'lines'
> & {
  tenantId?: string
  lines: Pick<BatchView['lines'], 'total' | 'completed' | 'failed'>
}

export interface NewBatch {
  inputFileId: string
  endpoint: string
  /** Such as `24h`. */
  window: string
  metadata: Record<string, string>
}

const PAGE_ROWS_MAX = 100

export class BatchClient {
  readonly #client: AdminClient
  readonly #clock: Clock
  /** Set once the admin API has refused the key. */
  #isOwn = false

  constructor(client: AdminClient, clock: Clock) {
    this.#client = client
    this.#clock = clock
  }

  get(id: string): Promise<BatchSight> {
    return this.#either(
      () => this.#client.get<BatchView>(`/api/batches/${encodeURIComponent(id)}`),
      () => this.own(id),
    )
  }

  /** The batch as its tenant's key sees it. */
  async own(id: string): Promise<BatchSight> {
    return this.#sight(await this.#client.get<WireBatch>(`/v1/batches/${encodeURIComponent(id)}`))
  }

  cancel(id: string): Promise<BatchSight> {
    const path = `/batches/${encodeURIComponent(id)}/cancel`
    return this.#either(
      () => this.#client.post<BatchView>(`/api${path}`),
      async () => this.#sight(await this.#client.post<WireBatch>(`/v1${path}`)),
    )
  }

  /** Newest first. @param rowsMax how many */
  list(rowsMax: number): Promise<BatchSight[]> {
    return this.#either(
      () => firstOf(this.#client.rows<BatchView>('/api/batches', pageOf(rowsMax)), rowsMax),
      () => firstOf(this.#ownRows(pageOf(rowsMax)), rowsMax),
    )
  }

  /** Needs a tenant's key. */
  async create({ inputFileId, endpoint, window, metadata }: NewBatch): Promise<BatchSight> {
    const body = {
      input_file_id: inputFileId,
      endpoint,
      completion_window: window,
      ...(Object.keys(metadata).length > 0 && { metadata }),
    }
    return this.#sight(await this.#client.post<WireBatch>('/v1/batches', body))
  }

  async *#ownRows({ limit }: { limit: number }): AsyncGenerator<BatchSight> {
    let after: string | undefined
    do {
      const page: WirePage = await this.#client.get('/v1/batches', { limit, after })
      yield* page.data.map((batch) => this.#sight(batch))
      after = page.has_more ? (page.last_id ?? undefined) : undefined
    } while (after !== undefined)
  }

  #sight(batch: WireBatch): BatchSight {
    return sightOf(batch, this.#clock.nowMs())
  }

  async #either<Answer>(admin: () => Promise<Answer>, own: () => Promise<Answer>): Promise<Answer> {
    if (this.#isOwn) return own()
    try {
      return await admin()
    } catch (error) {
      if (!(error instanceof ServerError && error.status === 403)) throw error
      this.#isOwn = true
      return own()
    }
  }
}

const pageOf = (rowsMax: number) => ({ limit: Math.min(PAGE_ROWS_MAX, rowsMax) })

async function firstOf<Row>(rows: AsyncIterable<Row>, rowsMax: number): Promise<Row[]> {
  const first: Row[] = []
  for await (const row of rows) {
    first.push(row)
    if (first.length === rowsMax) break
  }
  return first
}

/** A batch as OpenAI's clients read it; times are seconds since the Unix epoch. */
interface WireBatch {
  id: string
  status: BatchView['status']
  endpoint: string
  model?: string
  errors: { data: BatchView['errors'] } | null
  input_file_id: string
  output_file_id: string | null
  error_file_id: string | null
  created_at: number
  expires_at: number
  in_progress_at: number | null
  completed_at: number | null
  failed_at: number | null
  expired_at: number | null
  cancelled_at: number | null
  request_counts: { total: number; completed: number; failed: number }
  usage: {
    input_tokens: number
    input_tokens_details: { cached_tokens: number }
    output_tokens: number
  }
  metadata: Record<string, string> | null
  gristmill?: { reason: string }
}

interface WirePage {
  data: WireBatch[]
  last_id: string | null
  has_more: boolean
}

function sightOf(batch: WireBatch, nowMs: number): BatchSight {
  const { usage, request_counts: lines } = batch
  const endedAtS =
    batch.completed_at ?? batch.failed_at ?? batch.expired_at ?? batch.cancelled_at ?? null
  return {
    id: batch.id,
    status: batch.status,
    reason: batch.gristmill?.reason ?? null,
    endpoint: batch.endpoint,
    model: batch.model ?? null,
    inputFileId: batch.input_file_id,
    outputFileId: batch.output_file_id,
    errorFileId: batch.error_file_id,
    metadata: batch.metadata,
    createdAt: isoOf(batch.created_at),
    expiresAt: isoOf(batch.expires_at),
    startedAt: batch.in_progress_at === null ? null : isoOf(batch.in_progress_at),
    endedAt: endedAtS === null ? null : isoOf(endedAtS),
    lines,
    tokens: {
      input: usage.input_tokens,
      cached: usage.input_tokens_details.cached_tokens,
      output: usage.output_tokens,
    },
    errors: batch.errors?.data ?? [],
    forecast: endedAtS === null ? forecastOf(batch, nowMs) : ended(isoOf(endedAtS)),
  }
}

const isoOf = (atS: number) => new Date(atS * 1000).toISOString()

const ended = (endsAt: string): BatchForecast => ({
  remaining: 0,
  linesPerS: null,
  endsAt,
  basis: 'It has ended.',
  standing: 'on_time',
})

/** `/v1/batches` tells no pace, so it is that since the beginning. */
function forecastOf(batch: WireBatch, nowMs: number): BatchForecast {
  const { total, completed, failed } = batch.request_counts
  const done = completed + failed
  const remaining = total - done
  const unknown = { remaining, linesPerS: null, endsAt: null, standing: 'on_time' } as const
  if (batch.in_progress_at === null) return { ...unknown, basis: 'It waits for its turn.' }
  const sinceMs = Math.max(1000, nowMs - batch.in_progress_at * 1000)
  const basis = `${count(done)} lines ended in the ${duration(sinceMs)} since it began.`
  if (done === 0) return { ...unknown, basis }
  const endsAtMs = nowMs + (remaining * sinceMs) / done
  return {
    remaining,
    linesPerS: done / (sinceMs / 1000),
    endsAt: new Date(endsAtMs).toISOString(),
    basis,
    standing: endsAtMs > batch.expires_at * 1000 ? 'late' : 'on_time',
  }
}
