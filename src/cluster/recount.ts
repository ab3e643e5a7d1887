/**
 * Who has to report what it runs before a new holder starts anything: every gateway that lived when
 * it took over, except those that are found dead meanwhile, or as good as that. Pure.
 */
export class Recount {
  readonly #missing: Set<string>

  constructor(gatewayIds: Iterable<string>) {
    this.#missing = new Set(gatewayIds)
  }

  get missing(): ReadonlySet<string> {
    return this.#missing
  }

  /** All that it runs and all that waits there is known. */
  reported(gatewayId: string): void {
    this.#missing.delete(gatewayId)
  }

  /** Gateways that live now; one that came since owes nothing, since nobody started anything. */
  alive(gatewayIds: ReadonlySet<string>): void {
    for (const id of this.#missing) if (!gatewayIds.has(id)) this.#missing.delete(id)
  }

  get isComplete(): boolean {
    return this.#missing.size === 0
  }
}
