/** The admin API's shapes for what is kept, how long and how much of it there is. Types only. */

// GET /api/retention, for whoever sees the costs of all tenants. How long is part of the
// configuration, or of a tenant (PATCH /api/tenants/:id {responseDays}); nothing is set here.
export interface RetentionView {
  currency: string
  requests: {
    /** Whole months that they are kept for after the end of theirs. */
    months: number
    /** The oldest first; months that nothing came in yet included. */
    kept: KeptMonthView[]
    /** What goes next; null where there is no month. */
    next: {
      dueAt: string
      /** Why it would stay if it were due now, a sentence; null where nothing keeps it. */
      keptBy: string | null
    } | null
    /** When the gateway that answers last looked for what is due; null before it did. */
    lookedAt: string | null
    /** The newest first. */
    dropped: DroppedMonthView[]
  }
  kinds: KeptKindView[]
}

export interface KeptMonthView {
  /** null: all before as well. */
  fromAt: string | null
  untilAt: string
  requests: number
  /** True where `requests` is PostgreSQL's estimate. */
  isEstimate: boolean
  /** On disk, indexes included. */
  bytes: number
  /** From when on it goes, with all months before. */
  dueAt: string
}

/** What all requests of a month came to, which stays. */
export interface DroppedMonthView {
  untilAt: string
  requests: number
  inputTokens: number
  outputTokens: number
  /** What rented services asked for them, and what tenants are charged. */
  spend: string
  charge: string
  at: string
}

export interface KeptKindView {
  kind: string
  /** Its name for people, and what is in it. */
  name: string
  what: string
  /** null: for ever, or as tenants say. */
  keptFor: { amount: number; unit: 'months' | 'days' | 'hours' | 'seconds'; after: string } | null
  /** Tenants that have it kept, and for how long; null where it is not theirs to say. */
  byTenant: { tenants: number; daysMin: number; daysMax: number } | null
  /** Variable of the configuration that says so; null where nothing does. */
  setting: string | null
  /** null: in the memory of gateways. */
  size: { rows: number; isEstimate: boolean; bytes: number } | null
}
