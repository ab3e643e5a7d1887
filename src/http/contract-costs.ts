/** The shapes of costs in the admin API; types only. Money is a decimal of the currency as text. */

// GET /api/engines/:id/costs: the newest first; POST there {machine?, energy?, staff?, from?}
export interface EngineCostView {
  /** The engine, or the entry whose replicas each cost as much. */
  engineId: string
  engineName: string
  /** It holds from this minute on, until that of the next. */
  fromAt: string
  /** For an hour. */
  machine: string
  energy: string
  staff: string
  total: string
  /** Who set it, and when. */
  actor: string
  at: string
}
