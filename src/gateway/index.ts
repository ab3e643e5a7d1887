/** The gateway: OpenAI's wire in front of the pool, streaming, admission and booking. */

export { readBody } from './body.ts'
export type { CanonicalRequest, Endpoint } from './canonical.ts'
export { createGateway, type Gateway } from './gateway.ts'
export { type LineEnd, type LineRequest, type RunningLine, refusedAnswer } from './line.ts'
export type * from './types.ts'
