/** Load for proxies: closed loop for CPU, open loop for latency; one process, undici's dispatch. */
import { Pool } from 'undici'

export interface Request {
  path: string
  headers: readonly string[]
  body: string | Buffer
}

export interface Target {
  url: string
  /** The request to send next. */
  next: () => Request
}

export interface Sample {
  /** Request sent to first body byte, and to the end of the answer, milliseconds. */
  firstByteMs: number
  totalMs: number
  bytes: number
}

/** Sends `count` requests, `connections` at once. @throws at the first answer that is not a 200 */
export async function closedLoop(
  target: Target,
  options: { connections: number; count: number },
): Promise<Sample[]> {
  const pool = new Pool(target.url, { connections: options.connections, allowH2: false })
  const samples: Sample[] = []
  let started = 0
  const worker = async () => {
    while (started < options.count) {
      started++
      samples.push(await send(pool, target.next()))
    }
  }
  await Promise.all(Array.from({ length: options.connections }, worker))
  await pool.close()
  return samples
}

/** Sends requests at fixed times whatever the answers do; times count from when each was due. */
export async function openLoop(
  target: Target,
  options: { perS: number; count: number },
): Promise<Sample[]> {
  const pool = new Pool(target.url, { allowH2: false })
  const startMs = performance.now()
  const pending: Promise<Sample>[] = []
  while (pending.length < options.count) {
    const dueMs = startMs + (pending.length * 1000) / options.perS
    const waitMs = dueMs - performance.now()
    if (waitMs > 0) await new Promise((resolve) => setTimeout(resolve, waitMs))
    // Timers are late by up to a millisecond in both arms; that is not the proxy's time.
    pending.push(send(pool, target.next()))
  }
  const samples = await Promise.all(pending)
  await pool.close()
  return samples
}

function send(pool: Pool, request: Request): Promise<Sample> {
  return new Promise((resolve, reject) => {
    const startMs = performance.now()
    let firstByteMs = 0
    let bytes = 0
    let status = 0
    let text = ''
    pool.dispatch(
      {
        method: 'POST',
        path: request.path,
        headers: request.headers as string[],
        body: request.body,
      },
      {
        onRequestStart() {},
        onResponseStart(_controller, answered: number) {
          status = answered
        },
        onResponseData(_controller, chunk: Buffer) {
          if (bytes === 0) firstByteMs = performance.now() - startMs
          bytes += chunk.length
          if (status !== 200) text += chunk
        },
        onResponseEnd() {
          if (status !== 200) reject(new Error(`status ${status}: ${text}`))
          else resolve({ firstByteMs, totalMs: performance.now() - startMs, bytes })
        },
        onResponseError(_controller, error: Error) {
          reject(error)
        },
      },
    )
  })
}
