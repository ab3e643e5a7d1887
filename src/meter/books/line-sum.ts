/** Sums of lines by all but their amounts. */
import type { ChargeKind, ChargeLine } from './chargeback-types.ts'

type Add = (tenantId: string | null, engineUs: bigint, nanos: bigint) => void

export class LineSum {
  /** By all but the tenant, then by tenant. */
  readonly #lines = new Map<string, Map<string | null, ChargeLine>>()

  /** @returns what adds to lines of that kind */
  of(engineId: string, kind: ChargeKind, cause: string): Add {
    const key = JSON.stringify([engineId, kind, cause])
    const lines = this.#lines.get(key) ?? new Map<string | null, ChargeLine>()
    this.#lines.set(key, lines)
    return (tenantId, engineUs, nanos) => {
      if (nanos === 0n && engineUs === 0n) return
      const known = lines.get(tenantId)
      if (known === undefined) {
        lines.set(tenantId, { tenantId, engineId, kind, cause, engineUs, nanos })
        return
      }
      known.engineUs += engineUs
      known.nanos += nanos
    }
  }

  sorted(): ChargeLine[] {
    const keyed = [...this.#lines.values()].flatMap((lines) =>
      [...lines.values()].map((line) => [keyOf(line), line] as const),
    )
    return keyed.sort(([a], [b]) => (a < b ? -1 : 1)).map(([, line]) => line)
  }
}

const keyOf = ({ tenantId, engineId, kind, cause }: ChargeLine) =>
  JSON.stringify([tenantId ?? '', engineId, kind, cause])
