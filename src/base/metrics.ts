/** The Prometheus registry that rooms register their metrics in; one per program, handed in. */
import { collectDefaultMetrics, Registry } from 'prom-client'

export { Counter, Gauge, Histogram, Registry } from 'prom-client'

/** A registry with the process's own metrics (CPU, memory, event-loop delay) already in it. */
export function createRegistry(): Registry {
  const registry = new Registry()
  collectDefaultMetrics({ register: registry })
  return registry
}
