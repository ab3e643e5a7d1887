/** The shapes of destinations of traces in the admin API; types only. */

export interface TraceDestinationView {
  url: string
  /** Their values are not shown again. */
  headerNames: string[]
  /** True where spans hold the messages of requests. */
  withPrompts: boolean
  createdAt: string
  changedAt: string
}
