/**
 * Lanes: where requests of the same kind queue. Looking up a tenant's accounts, places and gates
 * costs more than all else that a request needs here, and most requests ask for what the one
 * before them asked for; so each tenant remembers the lanes it used last.
 */
import { bandOf } from '../base/index.ts'
import type { Gates } from './gates.ts'
import type { PoolGroups } from './pool-groups.ts'
import type { Arrival, Lane, PoolGroup, SchedulerConfig, TenantState } from './scheduler-types.ts'
import type { Weights } from './weights.ts'

/** Lanes that a tenant remembers. */
const REMEMBERED = 8

const EVERYBODY = { tenantId: '*', projectId: '*', userId: '*' }

export class Lanes {
  readonly #groups: PoolGroups
  readonly #gates: Gates
  readonly #weights: Weights

  constructor(groups: PoolGroups, gates: Gates, weights: Weights) {
    this.#groups = groups
    this.#gates = gates
    this.#weights = weights
  }

  /** The lane of an arrival, whose gates the caller must enter. */
  of(
    arrival: Arrival,
    pool: PoolGroup,
    tenant: TenantState,
    order: SchedulerConfig['order'],
  ): Lane {
    const last = tenant.lane
    if (last !== undefined && isFor(last, arrival, order)) return last
    let before = last
    for (let i = 1; before !== undefined && i < REMEMBERED; i++) {
      const lane = before.older
      if (lane !== undefined && isFor(lane, arrival, order)) {
        before.older = lane.older
        lane.older = last
        tenant.lane = lane
        this.#setWeight(lane, arrival)
        return lane
      }
      before = lane
    }
    if (before !== undefined) before.older = undefined
    const lane = this.#create(arrival, pool, tenant, order)
    lane.older = last
    tenant.lane = lane
    return lane
  }

  #create(
    arrival: Arrival,
    pool: PoolGroup,
    tenant: TenantState,
    order: SchedulerConfig['order'],
  ): Lane {
    const { serviceClass, urgent = false, model, keyId } = arrival
    const isFair = order === 'fair'
    const band = pool.bands[isFair ? bandOf(serviceClass) : 'interactive']
    const isUpper = serviceClass === 'priority' || serviceClass === 'flex' || urgent
    const tree = this.#groups.tree(band, isFair && isUpper ? 'upper' : 'lower', model)
    const who = isFair ? arrival : EVERYBODY
    const account = band.root
      .child(who.tenantId, isFair ? tenant.weight : 1)
      .child(who.projectId, isFair ? this.#weights.ofProject(arrival) : 1)
      .child(who.userId, 1)
    const place = tree.placeOf(account)
    // What every dispatch reads stands first, in one or two lines of the cache.
    return {
      pool,
      tenant,
      members: 0,
      accounts: account.rows,
      row: account.row,
      queue: place.ownQueue(),
      tenantGate: this.#gates.ofTenant(arrival.tenantId),
      keyGate: this.#gates.ofKey(keyId),
      isBackground: bandOf(serviceClass) === 'background',
      place,
      model,
      serviceClass,
      urgent,
      projectId: arrival.projectId,
      projectWeight: arrival.projectWeight,
      userId: arrival.userId,
      keyId,
      order,
      older: undefined,
    }
  }

  /** Of two lanes with the same project the one used last says its weight. */
  #setWeight({ place, order }: Lane, arrival: Arrival): void {
    const project = place.account.parent
    if (order !== 'fair' || project === undefined) return
    if (project.weight !== arrival.projectWeight) project.weight = this.#weights.ofProject(arrival)
  }
}

function isFor(lane: Lane, arrival: Arrival, order: SchedulerConfig['order']): boolean {
  return (
    lane.keyId === arrival.keyId &&
    lane.userId === arrival.userId &&
    lane.projectId === arrival.projectId &&
    lane.projectWeight === arrival.projectWeight &&
    lane.serviceClass === arrival.serviceClass &&
    lane.model === arrival.model &&
    lane.urgent === (arrival.urgent === true) &&
    lane.order === order &&
    (lane.members > 0 || isAlive(lane))
  )
}

/** Whether a lane without tickets leads to an account and gates that are still known. */
const isAlive = ({ place, keyGate, tenantGate }: Lane) =>
  !place.forgotten && keyGate.lanes > 0 && tenantGate.lanes > 0
