/** A folder on a small file system in memory, where one can be mounted, that can be filled up. */
import { execFileSync } from 'node:child_process'
import { mkdirSync, rmSync, statfsSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

const BYTES = 8 * 1024 * 1024

export class SmallDisk {
  readonly path: string
  /** False where nothing may be mounted; it cannot be filled then. */
  readonly isSmall: boolean

  constructor(path: string) {
    this.path = path
    mkdirSync(path)
    this.isSmall = mounted(path)
  }

  /** Leaves so many bytes. */
  fill(bytesLeft: number): void {
    const { bavail, bsize } = statfsSync(this.path)
    const bytes = bavail * bsize - bytesLeft
    if (bytes > 0) writeFileSync(this.#ballast, Buffer.alloc(bytes))
  }

  makeRoom(): void {
    rmSync(this.#ballast, { force: true })
  }

  remove(): void {
    if (this.isSmall) execFileSync('umount', [this.path])
  }

  get #ballast(): string {
    return join(this.path, 'ballast')
  }
}

function mounted(path: string): boolean {
  try {
    const options = ['-t', 'tmpfs', '-o', `size=${BYTES}`, 'tmpfs', path]
    execFileSync('mount', options, { stdio: 'ignore' })
    return true
  } catch (error) {
    // Not root, no such right, or no such program.
    if (error instanceof Error) return false
    throw error
  }
}
