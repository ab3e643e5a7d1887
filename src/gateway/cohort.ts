/**
 * What has arrived in one turn of the event loop goes on together at its end, in its order: a step
 * that one request after another takes finds its code in the processor's caches, where steps of
 * different kinds in turn throw each other out. Nobody waits for others to come.
 *
 * Source: cohort scheduling, Larus and Parkes, "Using Cohort Scheduling to Enhance Server
 * Performance", USENIX ATC 2002.
 */
export class Cohort {
  #steps: (() => void)[] = []
  readonly #goOn = () => {
    const steps = this.#steps
    this.#steps = []
    for (const step of steps) step()
  }

  /** @param step must not throw */
  add(step: () => void): void {
    if (this.#steps.push(step) === 1) setImmediate(this.#goOn)
  }
}
