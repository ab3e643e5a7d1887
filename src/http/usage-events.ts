/**
 * Settled requests as CloudEvents 1.0 (https://github.com/cloudevents/spec): what they used and
 * what they are charged, never a prompt, an answer or a key.
 */
import type { SettledRequest } from '../meter/index.ts'
import type { UsageEventView } from './contract.ts'

/** With it and an event's id consumers tell what they have, so it is the same for ever. */
const SOURCE = 'urn:gristmill:ledger'

export function usageEvent(settled: SettledRequest, currency: string): UsageEventView {
  const { id, tenantId, serviceClass, rentedTarget, chargeNanos, spendNanos, ...rest } = settled
  return {
    specversion: '1.0',
    id,
    source: SOURCE,
    type: 'gristmill.request.settled',
    subject: tenantId,
    time: new Date(Number(settled.settledAtUs) / 1000).toISOString(),
    datacontenttype: 'application/json',
    data: {
      project: rest.projectId,
      model: rest.model,
      class: serviceClass,
      engine: rest.engineId,
      rentedTarget,
      outcome: rest.group,
      end: rest.end,
      isEstimated: rest.estimated,
      inputTokens: rest.inputTokens,
      cachedInputTokens: rest.cachedTokens,
      outputTokens: rest.outputTokens,
      reasoningTokens: rest.reasoningTokens ?? 0,
      isCacheHit: rest.hitInputTokens !== null,
      hitInputTokens: rest.hitInputTokens ?? 0,
      hitOutputTokens: rest.hitOutputTokens ?? 0,
      engineMs: rest.engineMs,
      queueMs: rest.queueMs,
      chargeNanos,
      isPriced: rest.priceVersion !== null,
      spendNanos,
      currency,
    },
  }
}
