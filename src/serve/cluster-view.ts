/** Gateways that share a database, as people see them. */
import type { Member } from '../cluster/index.ts'
import type { ClusterGatewayView, ClusterView } from '../http/index.ts'

const ALONE: ClusterView = {
  isShared: false,
  answeredBy: null,
  gateways: [],
  lease: null,
  heldPlaces: null,
  takeovers: [],
}

/** @param member undefined where a gateway is alone */
export async function clusterView(member: Member | undefined): Promise<ClusterView> {
  if (member === undefined) return ALONE
  const { membership } = member
  const takeovers = await member.takeovers()
  const { lease } = membership
  return {
    isShared: true,
    answeredBy: member.id,
    gateways: membership.gateways.map((row) => {
      const { id, url, host, pid, version, startedAt } = row
      const beatAgeMs = Math.round(row.beatAgeMs + membership.lookAgeMs)
      const told = { id, url, host, pid, version, startedAt: startedAt.toISOString(), beatAgeMs }
      return { ...told, ...stateOf(member, id) }
    }),
    lease: lease && {
      gatewayId: lease.gatewayId,
      token: lease.token,
      sinceAt: lease.since.toISOString(),
      leftMs: Math.round(lease.leftMs - membership.lookAgeMs),
    },
    heldPlaces: member.isHolding ? member.heldPlaces : null,
    takeovers: takeovers.map(({ at, ...row }) => ({ ...row, at: at.toISOString() })),
  }
}

function stateOf(member: Member, id: string): Pick<ClusterGatewayView, 'state' | 'reason'> {
  const { membership } = member
  if (!membership.alive.has(id)) {
    return { state: 'silent', reason: 'It has given no sign of life for three seconds or more.' }
  }
  if (membership.holder?.id === id) {
    if (id === member.id && !member.mayStart()) {
      return { state: 'scheduling', reason: 'It schedules once it knows what runs everywhere.' }
    }
    return { state: 'scheduling', reason: 'It schedules for all.' }
  }
  if (member.isHolding) {
    return member.connected.includes(id)
      ? { state: 'connected', reason: 'It is connected to the one that schedules.' }
      : { state: 'not_connected', reason: 'It lives but is not connected to this gateway.' }
  }
  if (id !== member.id) return { state: 'alive', reason: 'It gives signs of life.' }
  return member.pool.isAttached
    ? { state: 'connected', reason: 'It is connected to the one that schedules.' }
    : { state: 'not_connected', reason: 'It reaches no gateway that schedules.' }
}
