/**
 * What tenants and projects weigh. An arrival brings what was known as it was admitted; what
 * somebody told since goes before that, or a request that was on its way then, is tried again or
 * queued anew would set the weight back.
 */
import type { Arrival } from './scheduler-types.ts'

export class Weights {
  readonly #tenants = new Map<string, number>()
  /** By tenant, then by project. */
  readonly #projects = new Map<string, Map<string, number>>()

  tell(weight: number, tenantId: string, projectId?: string): void {
    if (projectId === undefined) {
      this.#tenants.set(tenantId, weight)
      return
    }
    const own = this.#projects.get(tenantId) ?? new Map<string, number>()
    this.#projects.set(tenantId, own.set(projectId, weight))
  }

  ofTenant({ tenantId, tenantWeight }: Arrival): number {
    return this.#tenants.get(tenantId) ?? tenantWeight
  }

  ofProject({ tenantId, projectId, projectWeight }: Arrival): number {
    return this.#projects.get(tenantId)?.get(projectId) ?? projectWeight
  }
}
