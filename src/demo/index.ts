/** The demo: three tenants on the real pool, over HTTP like anybody, unfairly and then fairly. */
export { createDemo, type Demo, type DemoOptions } from './demo.ts'
export type { DemoRow, DemoView } from './measurements.ts'
