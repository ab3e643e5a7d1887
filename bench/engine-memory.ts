/** Memory of the engine process over thousands of short and aborted requests. */
import { readFile } from 'node:fs/promises'
import { type ArmOptions, engineArm } from './engine-arms.ts'

export interface MemoryResult {
  requests: number
  aborts: number
  /** Resident memory in MiB: after warming up, then after each tenth of the run. */
  residentMib: number[]
  /** Last ÷ first. */
  growth: number
}

const WARM_UP = 200
const PARALLEL = 8
const SAMPLES = 10

/** Sends short requests and aborted ones mixed, and watches resident memory. */
export async function measureMemory(
  options: ArmOptions,
  counts: { requests: number; aborts: number },
  log: (text: string) => void,
): Promise<MemoryResult> {
  const arm = await engineArm(options)
  try {
    const total = counts.requests + counts.aborts
    const every = Math.max(1, Math.floor(total / counts.aborts))
    await many(WARM_UP, (i) => short(arm.url, i))
    const residentMib = [await resident(arm.pid)]
    for (let sample = 0; sample < SAMPLES; sample++) {
      const from = Math.floor((sample * total) / SAMPLES)
      const to = Math.floor(((sample + 1) * total) / SAMPLES)
      await many(to - from, (i) =>
        (from + i) % every === 0 ? aborted(arm.url, from + i) : short(arm.url, from + i),
      )
      residentMib.push(await resident(arm.pid))
      log(`${to} requests: ${residentMib.at(-1)} MiB`)
    }
    const growth = (residentMib.at(-1) ?? 0) / (residentMib[0] ?? 1)
    return { ...counts, residentMib, growth }
  } finally {
    await arm.stop()
  }
}

async function many(count: number, one: (index: number) => Promise<void>): Promise<void> {
  let next = 0
  const worker = async () => {
    while (next < count) await one(next++)
  }
  await Promise.all(Array.from({ length: PARALLEL }, worker))
}

const post = (url: string, body: object, signal?: AbortSignal) =>
  fetch(`${url}/v1/chat/completions`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(body),
    ...(signal && { signal }),
  })

async function short(url: string, index: number): Promise<void> {
  const messages = [{ role: 'user', content: `Say something short about number ${index}.` }]
  const response = await post(url, { messages, max_tokens: 4, ignore_eos: true })
  await response.text()
  if (!response.ok) throw new Error(`the engine answered ${response.status}`)
}

async function aborted(url: string, index: number): Promise<void> {
  const client = new AbortController()
  const messages = [{ role: 'user', content: `Tell a long story about number ${index}.` }]
  const response = await post(
    url,
    { messages, max_tokens: 400, ignore_eos: true, stream: true },
    client.signal,
  )
  await response.body?.getReader().read()
  client.abort()
}

async function resident(pid: number): Promise<number> {
  const status = await readFile(`/proc/${pid}/status`, 'utf8')
  return Math.round(Number(/VmRSS:\s+(\d+)/.exec(status)?.[1] ?? 0) / 1024)
}
