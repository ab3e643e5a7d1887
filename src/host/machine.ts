/** This machine in figures: for caches that are only valid here, and for benchmark reports. */
import { createHash } from 'node:crypto'
import { arch, availableParallelism, cpus, platform, release, totalmem } from 'node:os'

export interface Machine {
  platform: string
  arch: string
  /** Kernel or system release. */
  release: string
  cpuModel: string
  /** Cores this process may use. */
  cores: number
  memoryBytes: number
  nodeVersion: string
  /** Short text that is the same on the same hardware and another on any other. */
  fingerprint: string
}

/** Describes this machine. */
export function describeMachine(): Machine {
  const cpuModel = cpus()[0]?.model.trim() ?? 'unknown'
  const cores = availableParallelism()
  const memoryBytes = totalmem()
  // Whole GiB: what the kernel keeps for itself varies from boot to boot.
  const memoryGib = Math.round(memoryBytes / 2 ** 30)
  const parts = [platform(), arch(), cpuModel, cores, memoryGib].join('|')
  const fingerprint = createHash('sha256').update(parts).digest('hex').slice(0, 16)
  return {
    platform: platform(),
    arch: arch(),
    release: release(),
    cpuModel,
    cores,
    memoryBytes,
    nodeVersion: process.versions.node,
    fingerprint,
  }
}
