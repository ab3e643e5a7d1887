/** Runs guards over texts, one after another: each is shown what those before it have left. */
import { GristmillError } from '../base/index.ts'
import type { ActiveGuard } from './guard-book.ts'
import type { GuardedRequest } from './http-check.ts'
import type { GuardOutcome, GuardResult } from './types.ts'
import { guardOutcomes } from './types.ts'

/** What the guards made of one request: its record has it, and never what they saw. */
export class GuardRun {
  readonly request: GuardedRequest
  readonly #outcomes = new Map<string, GuardOutcome>()

  constructor(request: GuardedRequest) {
    this.request = request
  }

  /** The gravest is kept, since a guard may be shown several texts. */
  note({ guard }: ActiveGuard, outcome: GuardOutcome): void {
    const before = this.#outcomes.get(guard.name) ?? 'passed'
    const isGraver = guardOutcomes.indexOf(outcome) > guardOutcomes.indexOf(before)
    this.#outcomes.set(guard.name, isGraver ? outcome : before)
  }

  get results(): GuardResult[] {
    return [...this.#outcomes].map(([name, outcome]) => ({ name, outcome }))
  }
}

/**
 * Without a promise unless a service is asked.
 * @param contents which of the texts are answers, whose form a schema may demand
 * @returns the texts as they may go on, as many as were given
 * @throws GristmillError `guard_refused`, `guard_unavailable`; also as a rejection
 */
export function checkTexts(
  guards: readonly ActiveGuard[],
  texts: readonly string[],
  run: GuardRun,
  contents: readonly number[] = [],
): readonly string[] | Promise<readonly string[]> {
  let now = texts
  for (const [index, one] of guards.entries()) {
    if (one.ask !== undefined) {
      const rest = guards.slice(index + 1)
      return one.ask(now, run).then((left) => checkTexts(rest, left, run, contents))
    }
    now = one.check(now, run, contents)
  }
  return now
}

/** The refusal of a guard, which says nothing of what it saw. */
export function refusedBy(guard: ActiveGuard, run: GuardRun): GristmillError {
  run.note(guard, 'refused')
  return new GristmillError('guard_refused', { guard: guard.guard.name })
}
