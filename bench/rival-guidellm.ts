/** The light tenant's load by GuideLLM, a generator that is not ours, as a second opinion. */
import { execFile } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import type { Target } from './chat-load.ts'

/** Times to first token as GuideLLM counts them: only of requests that were answered. */
export interface GuideLlmFigures {
  n: number
  p50Ms: number
  p95Ms: number
  /** Not answered when its time was over. */
  incomplete: number
  errored: number
}

interface Report {
  benchmarks: {
    metrics: {
      request_totals: { successful: number; incomplete: number; errored: number }
      time_to_first_token_ms: { successful: { percentiles: { p50: number; p95: number } } }
    }
  }[]
}

/**
 * Two requests a second of 24 prompt and 8 output tokens for some seconds. Its processes want most
 * of a core, so they get what those that are measured leave.
 */
export async function guideLlm(
  dir: string,
  { url, key, model }: Target,
  seconds: number,
): Promise<GuideLlmFigures> {
  const folder = mkdtempSync(join(tmpdir(), 'gristmill-bench-'))
  const path = join(folder, 'report.json')
  const backend = { kind: 'openai_http', target: url, model, api_key: key, validate_backend: false }
  const options = {
    backend: { ...backend, request_format: '/v1/chat/completions' },
    profile: { kind: 'constant', rate: 2 },
    constraint: { kind: 'max_duration', seconds },
    data: { kind: 'synthetic_text', prompt_tokens: 24, output_tokens: 8 },
    tokenizer: { kind: 'hf_auto', model: join(dir, 'smollm2-hf') },
    output: { kind: 'json', path },
  }
  const words = Object.entries(options).flatMap(([name, value]) => [
    `--${name}`,
    JSON.stringify(value),
  ])
  try {
    const program = join(dir, 'guidellm/bin/guidellm')
    const line = ['-n', '19', program, 'run', ...words, '--disable-console']
    await promisify(execFile)('nice', line)
    const report = JSON.parse(readFileSync(path, 'utf8')) as Report
    const metrics = report.benchmarks[0]?.metrics
    if (metrics === undefined) throw new Error('GuideLLM has measured nothing')
    const { successful: n, incomplete, errored } = metrics.request_totals
    const { p50, p95 } = metrics.time_to_first_token_ms.successful.percentiles
    return { n, p50Ms: Math.round(p50), p95Ms: Math.round(p95), incomplete, errored }
  } finally {
    rmSync(folder, { recursive: true })
  }
}
