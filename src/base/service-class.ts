/** Service tiers: the four classes, the band each belongs to and how the wire names them. */

export const serviceClasses = ['priority', 'standard', 'flex', 'batch'] as const
export type ServiceClass = (typeof serviceClasses)[number]

export const bands = ['interactive', 'background'] as const
export type Band = (typeof bands)[number]

/** Interactive work answers somebody who waits; background work fills what that leaves. */
export function bandOf(serviceClass: ServiceClass): Band {
  return serviceClass === 'priority' || serviceClass === 'standard' ? 'interactive' : 'background'
}

/**
 * Ranks inside an engine go up by this much from one class to the next, so that an engine can tell
 * classes apart by rank alone.
 */
export const RANKS_PER_CLASS = 16

/** The lower of two classes; a header may lower a request's class, never raise it. */
export function lowerClass(a: ServiceClass, b: ServiceClass): ServiceClass {
  return serviceClasses.indexOf(a) >= serviceClasses.indexOf(b) ? a : b
}

/** `service_tier` as OpenAI's wire echoes it: `default` for standard, else the class's own name. */
export function wireTier(serviceClass: ServiceClass): string {
  return serviceClass === 'standard' ? 'default' : serviceClass
}
