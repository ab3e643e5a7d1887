/** The words of the scheduler: what happens to it and what it decides. Plain data, no behaviour. */
import type { Band, ServiceClass } from '../base/index.ts'
import type { AccountRows } from './account-rows.ts'
import type { DeadlineQueues } from './deadline-queues.ts'
import type { PlacesNeeded } from './places-needed.ts'
import type { Account, Place, ShareTree } from './share-tree.ts'
import type { TicketState } from './ticket-state.ts'
import type { WaitLimits } from './wait-limits.ts'
import type { Beginning, WarmPrefixes } from './warm-prefixes.ts'

/** Weights of the cost unit: service = input × uncached prompt tokens + output × output tokens. */
export interface CostWeights {
  input: number
  output: number
}

export interface SchedulerConfig {
  cost: CostWeights
  /** `fcfs` ignores tenants, classes and express; it exists to be compared with. */
  order: 'fair' | 'fcfs'
  /** Service units by which `priority` may run ahead of its tenant's weighted share. */
  priorityAdvanceUnits: number
  /** Service units by which a tenant on an express sequence may run ahead of its share. */
  expressAdvanceUnits: number
  /**
   * Service units by which somebody may run ahead whose prompt begins like one that an engine with
   * room has read. No more than one whole context costs as output, or gaps may pass their bound.
   */
  affinityAdvanceUnits: number
  /** Tickets of a tenant's upper class that may pass a waiting one of its lower class in a row. */
  bypassMax: number
}

export const defaultSchedulerConfig: SchedulerConfig = {
  cost: { input: 1, output: 2 },
  order: 'fair',
  priorityAdvanceUnits: 2048,
  expressAdvanceUnits: 128,
  affinityAdvanceUnits: 2048,
  bypassMax: 7,
}

/** A request as it arrives; ids are opaque. */
export interface Arrival {
  id: string
  model: string
  tenantId: string
  /** This and the project's count where nobody told the scheduler of another. */
  tenantWeight: number
  projectId: string
  projectWeight: number
  keyId: string
  userId: string
  serviceClass: ServiceClass
  estimatedInputTokens: number
  /** Moment at which it gives up waiting, on the caller's clock, milliseconds. */
  deadlineMs: number
  queueDepthMax: number
  tenantConcurrencyMax: number | null
  keyConcurrencyMax: number | null
  /** What its prompt begins with, longer and longer; only where engines are to be chosen by it. */
  beginnings?: readonly Beginning[]
  /** Background work that would miss its window otherwise goes before other background work. */
  urgent?: boolean
  /** Arrival number of an earlier attempt, which keeps its place in line. */
  order?: number
  /** True where another scheduler took it before: its tenant's bound was kept to then. */
  wasAccepted?: boolean
  /** Engine at which that failed; it goes there only where no other has room. */
  avoidEngineId?: string
}

export interface EngineSlots {
  id: string
  models: readonly string[]
  /** Sequences kept in flight; 0 while the engine is down or draining. */
  cap: number
  /** Extra sequences for tenants below their share. */
  express: number
  /** Sequences of the cap that background work never has. */
  backgroundReserve: number
  /**
   * Sequences beyond cap and express on which background work stands aside, so that interactive
   * work has the places it took; none where absent.
   */
  spare?: number
  /** False where it keeps nothing of prompts; true where absent. */
  keepsPrefixes?: boolean
}

/** Leave to run a ticket on an engine now. */
export interface Dispatch {
  id: string
  /** With which the scheduler is told what becomes of it. */
  ticket: TicketState
  engineId: string
  /** Lower goes first inside the engine: class first, then how far above its share a tenant is. */
  rank: number
  express: boolean
}

export interface EngineState extends EngineSlots {
  inFlight: number
  /** In flight at most whatever the cap, where a rented service limits its rate; else infinite. */
  open: number
  /** Those of `inFlight` that are background work. */
  background: number
  /** Estimated prompt tokens of tickets sent to it that have no token yet. */
  unread: number
  /** Those of `unread` that are background work. */
  unreadBackground: number
  /** What it is believed to keep of prompts. */
  prefixes: WarmPrefixes
}

/** A concurrency limit and the places that wait for it to open. */
export interface Gate {
  limit: number
  inFlight: number
  /** Lanes with tickets that wait or run under it. */
  lanes: number
  /** Absent while none waits, as nearly always. */
  parked: Set<Place<TicketState>> | undefined
  readonly id: string
}

/** Where requests of the same tenant, project, user, key, class and model queue. */
export interface Lane {
  model: string
  serviceClass: ServiceClass
  isBackground: boolean
  urgent: boolean
  projectId: string
  projectWeight: number
  userId: string
  keyId: string
  /** The order under which it was made; another one has other lanes. */
  order: SchedulerConfig['order']
  pool: PoolGroup
  tenant: TenantState
  /** Its tickets that wait or run. */
  members: number
  /** Numbers of the accounts of its band, and which row of them is charged with service. */
  accounts: AccountRows
  row: number
  place: Place<TicketState>
  /** That of the place, where tickets of this lane wait, by number. */
  queue: number
  tenantGate: Gate
  keyGate: Gate
  /** The lane that the tenant used before this one. */
  older: Lane | undefined
}

/** A tenant in one pool, over both bands. */
export interface TenantState {
  readonly id: string
  weight: number
  waiting: number
  /** Those of them that count towards the bound of its queue. */
  queued: number
  inFlight: number
  /** Interactive tickets that wait or run. */
  interactive: number
  /** The lane that it used last. */
  lane: Lane | undefined
}

export interface BandState {
  root: Account<TicketState>
  /** Trees of the class that goes first within shares (priority, flex), by model. */
  upper: Map<string, ShareTree<TicketState>>
  /** Trees of the other class (standard, batch), by model. */
  lower: Map<string, ShareTree<TicketState>>
  /** Tickets in a row that passed a waiting lower ticket of their own tenant. */
  bypasses: Map<string, number>
}

/** Engines that share models, with the queues in front of them. */
export interface PoolGroup {
  models: Set<string>
  engines: EngineState[]
  bands: Record<Band, BandState>
  tenants: Map<string, TenantState>
  /** Where its tickets wait, and when they give up. */
  queues: DeadlineQueues<TicketState>
  limits: WaitLimits<TicketState>
  /** Sum of the weights of the tenants that run or wait here. */
  activeWeight: number
  /** Sum of the weights of those with interactive work. */
  interactiveWeight: number
  /** Places that interactive work has needed at once. */
  needed: PlacesNeeded
}
