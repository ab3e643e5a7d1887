/** The shapes of webhooks in the admin API; types only. */

/** Something that a tenant was or is to be told. */
export interface WebhookDeliveryView {
  /** Of the event, `evt_…`; a repetition has the same. */
  id: string
  /** `batch.completed`, `batch.failed`, `batch.expired` or `batch.cancelled`. */
  type: string
  state: 'due' | 'delivered' | 'failed'
  attempts: number
  /** Why the last attempt failed. */
  reason: string | null
  createdAt: string
  endedAt: string | null
}

export interface WebhookView {
  url: string
  createdAt: string
  /** The newest few. */
  deliveries: WebhookDeliveryView[]
}

export interface WebhookCreated {
  url: string
  /** What deliveries are signed with; shown this once. */
  secret: string
}
