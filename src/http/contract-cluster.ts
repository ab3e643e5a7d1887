/** The shapes of the admin API about gateways that share a database. Types only. */

// GET /api/cluster
export interface ClusterView {
  /** False where this gateway is alone on its database, and nothing else is told. */
  isShared: boolean
  /** The gateway that answers. */
  answeredBy: string | null
  gateways: ClusterGatewayView[]
  /** Who schedules; null where nobody does. */
  lease: {
    gatewayId: string
    token: number
    sinceAt: string
    /** Until it ends unless it is renewed, milliseconds. */
    leftMs: number
  } | null
  /** Places of engines left empty for requests of which no gateway tells. */
  heldPlaces: number | null
  /** Newest first. */
  takeovers: ClusterTakeoverView[]
}

export interface ClusterGatewayView {
  id: string
  /** Where other gateways reach it. */
  url: string
  host: string
  pid: number
  version: string
  startedAt: string
  /** Since its last sign of life, milliseconds. */
  beatAgeMs: number
  state: 'scheduling' | 'connected' | 'not_connected' | 'silent' | 'alive'
  /** `state` in a sentence. */
  reason: string
}

export interface ClusterTakeoverView {
  token: number
  gatewayId: string
  at: string
  /** From the end of the lease before to the first start under this one, milliseconds. */
  idleMs: number
  /** Requests that ran and that waited when it began. */
  running: number
  waiting: number
  /** Places left empty then. */
  held: number
}
