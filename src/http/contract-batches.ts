/** The shapes of batches as the admin API shows them; part of `contract.ts`, types only. */

// GET /api/batches?tenant&status (newest first), GET /api/batches/:id, POST /api/batches/:id/cancel
// → BatchView. Batches are made on /v1/batches with a key, as OpenAI's SDKs do.
export type BatchStatusName =
  | 'validating'
  | 'failed'
  | 'in_progress'
  | 'finalizing'
  | 'completed'
  | 'expired'
  | 'cancelling'
  | 'cancelled'

export interface BatchView {
  id: string
  tenantId: string
  projectId: string
  keyId: string
  status: BatchStatusName
  /** Why it ended or does not go on, a sentence; null where there is nothing to say. */
  reason: string | null
  /** `/v1/chat/completions`, … */
  endpoint: string
  /** Model of its lines; null before validation and where they name several. */
  model: string | null
  serviceClass: 'batch' | 'flex'
  inputFileId: string
  outputFileId: string | null
  errorFileId: string | null
  metadata: Record<string, string> | null
  createdAt: string
  /** End of its window, at which what is not done is given up. */
  expiresAt: string
  startedAt: string | null
  endedAt: string | null
  /** `completed` + `failed` + lines that wait or run = `total`; all 0 before validation. */
  lines: { total: number; completed: number; failed: number; queued: number; running: number }
  /** Charged so far, over the answers that are stored. */
  tokens: { input: number; cached: number; output: number }
  /** Bad lines found by validation, at most 100. */
  errors: { line: number | null; code: string; message: string; param: string | null }[]
  forecast: BatchForecast
}

export interface BatchForecast {
  /** Lines that have no answer yet. */
  remaining: number
  /** Lines per second lately; null before some have ended. */
  linesPerS: number | null
  /** When the last line is expected to end; null where nothing can be said. */
  endsAt: string | null
  /** What the expectation rests on, a sentence. */
  basis: string
  /** `late`: its window is at risk and it goes first; `hopeless`: it cannot be kept, it yields. */
  standing: 'on_time' | 'late' | 'hopeless'
}
