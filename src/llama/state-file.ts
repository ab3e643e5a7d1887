/** Where a sequence's state lies on its way to another one: in memory, without a name. */
import { closeSync, mkdtempSync, openSync, rmSync } from 'node:fs'
import { join } from 'node:path'

/** A file system in memory, on Linux. */
const MEMORY_FOLDER = '/dev/shm'

export class StateFile {
  readonly #fd: number
  readonly #onFailure: (error: unknown) => void
  #isUsable = true

  constructor(fd: number, onFailure: (error: unknown) => void) {
    this.#fd = fd
    this.#onFailure = onFailure
  }

  /** Undefined after a failure. */
  get path(): string | undefined {
    return this.#isUsable ? `/proc/self/fd/${this.#fd}` : undefined
  }

  /** It is not used any more; told once. */
  giveUp(error: unknown): void {
    if (this.#isUsable) this.#onFailure(error)
    this.#isUsable = false
  }

  close(): void {
    closeSync(this.#fd)
  }
}

/**
 * Prompts are in such a state, so it must neither reach a disk nor outlive the process.
 * @param onFailure is told why no state can be kept in it
 * @returns undefined where there is no file system in memory
 */
export function openStateFile(onFailure: (error: unknown) => void): StateFile | undefined {
  try {
    const folder = mkdtempSync(join(MEMORY_FOLDER, 'gristmill-'))
    const fd = openSync(join(folder, 'state'), 'w+', 0o600)
    rmSync(folder, { recursive: true })
    return new StateFile(fd, onFailure)
  } catch (error) {
    onFailure(error)
    return undefined
  }
}
