/** How much context the sequences of a model get, so that their state fits into memory. */
import { freemem, totalmem } from 'node:os'
import type { LlamaModel } from 'node-llama-cpp'
import { GristmillError } from '../base/index.ts'

/** Share of the machine's memory that the state may take unless a context is asked for. */
const MEMORY_SHARE = 1 / 12
const CONTEXT_TOKENS_MIN = 2048
const BYTES_PER_VALUE = 2

/** Bytes of state per token of context (keys and values in 16-bit floats). */
export function stateBytesPerToken(model: LlamaModel): number {
  const meta = model.fileInfo.architectureMetadata
  const largest = (value: unknown) =>
    Array.isArray(value) ? Math.max(...value.map(Number)) : Number(value ?? 0)
  const heads = largest(meta.attention?.head_count) || 1
  const kvHeads = largest(meta.attention?.head_count_kv) || heads
  const headSize = Number(meta.embedding_length ?? 0) / heads
  const keySize = Number(meta.attention?.key_length ?? headSize)
  const valueSize = Number(meta.attention?.value_length ?? headSize)
  return Number(meta.block_count ?? 0) * kvHeads * (keySize + valueSize) * BYTES_PER_VALUE
}

/**
 * Tokens of context for each of `slots` sequences.
 * @param asked what the operator wants; undefined chooses by the machine's memory
 * @throws GristmillError `invalid_config` when what is asked for cannot fit
 */
export function contextTokensFor(
  model: LlamaModel,
  slots: number,
  asked: number | undefined,
): number {
  const trained = model.trainContextSize ?? CONTEXT_TOKENS_MIN
  const perToken = Math.max(1, stateBytesPerToken(model) * slots)
  if (asked !== undefined) {
    const neededBytes = asked * perToken
    if (neededBytes > freemem() * 0.9)
      throw new GristmillError('invalid_config', {
        reason: `${slots} sequences of ${asked} tokens need ${mib(neededBytes)} MiB of memory and ${mib(freemem())} MiB are free; lower --context or --cap`,
      })
    return Math.min(asked, trained)
  }
  const affordable = (totalmem() * MEMORY_SHARE) / perToken
  const rounded = 2 ** Math.floor(Math.log2(Math.max(1, affordable)))
  return Math.min(trained, Math.max(rounded, CONTEXT_TOKENS_MIN))
}

const mib = (bytes: number) => Math.round(bytes / 2 ** 20)
