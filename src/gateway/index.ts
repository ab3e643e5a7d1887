/** The gateway: OpenAI's wire in front of the pool, streaming, admission and booking. */
export { createGateway, type Gateway } from './gateway.ts'
export type * from './types.ts'
