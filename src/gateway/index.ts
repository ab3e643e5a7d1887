/** The gateway: clients' wires in front of the pool, streaming, admission and booking. */

export { type BodyLimits, readBody } from './body.ts'
export { checkParts } from './body-parts.ts'
export type { CanonicalRequest, DoorPath } from './canonical.ts'
export { DaySpend } from './day-spend.ts'
export { errorShapeOf, type ReadAtDoor } from './doors.ts'
export { createGateway, type Gateway } from './gateway.ts'
export { operationOf } from './gen-ai-metrics.ts'
export { jsonOf } from './json-text.ts'
export { type LineEnd, type LineRequest, type RunningLine, refusedAnswer } from './line.ts'
export { messagesBlocks, messagesFields } from './messages/fields.ts'
export type { QueuedBody } from './responses/conversations.ts'
export { responsesFields, responsesItems, responsesTools } from './responses/fields.ts'
export { itemsGiven } from './responses/items.ts'
export {
  type Charge,
  NO_CHARGE,
  type RateLimiter,
  rateLimitsOf,
  TokenRates,
} from './token-rate.ts'
export type * from './types.ts'
