/** Engines and gateways of others as child processes of a bench; their settings in `rivals/`. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { globSync, readFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { basename, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { sleep } from './chat-load.ts'

export const MODEL = 'smollm2'
/** Sequences that llama.cpp's server is started with. */
const SLOTS = 8
const CONTEXT_TOKENS = 2048
const START_MS_MAX = 180_000
const KILL_AFTER_MS = 20_000

export interface Program {
  /** Without `/v1`. */
  url: string
  stop(): Promise<void>
}

interface Start {
  file: string
  args: string[]
  port: number
  /** Sent with requests until one is answered. */
  key?: string
  environment?: Record<string, string>
}

const settings = (name: string) => fileURLToPath(new URL(`rivals/${name}`, import.meta.url))
const local = (port: number) => ['--host', '127.0.0.1', '--port', String(port)]

/** @param more arguments */
export async function startLlama(dir: string, more: string[] = []): Promise<Program> {
  const port = await freePort()
  const context = String(SLOTS * CONTEXT_TOKENS)
  const size = ['--parallel', String(SLOTS), '--ctx-size', context, '--metrics']
  const model = ['--model', join(dir, 'smollm2.gguf'), '--alias', MODEL]
  return start({
    file: join(dir, 'rival/llama-server'),
    args: [...model, ...size, ...more, ...local(port)],
    port,
  })
}

/** A processor without instructions for bfloat16 computes it some ten times slower. */
function vllmNumbers(): 'bfloat16' | 'float32' {
  const hasOwn = /\b(avx512_bf16|amx_bf16|bf16)\b/.test(readFileSync('/proc/cpuinfo', 'utf8'))
  return hasOwn ? 'bfloat16' : 'float32'
}

/** @param config of the folder `rivals` */
export async function startVllm(dir: string, config: string): Promise<Program> {
  const port = await freePort()
  const model = ['serve', join(dir, 'smollm2-hf'), '--served-model-name', MODEL]
  return start({
    file: join(dir, 'vllm/bin/vllm'),
    args: [...model, '--config', settings(config), '--dtype', vllmNumbers(), ...local(port)],
    port,
    environment: { VLLM_CPU_KVCACHE_SPACE: '1', VLLM_NO_USAGE_STATS: '1', HF_HUB_OFFLINE: '1' },
  })
}

export const LITELLM_KEY = 'sk-rival'

export async function startLiteLlm(dir: string, engine: Program): Promise<Program> {
  const port = await freePort()
  return start({
    file: join(dir, 'litellm/bin/litellm'),
    args: ['--config', settings('litellm.yaml'), '--num_workers', '1', ...local(port)],
    port,
    key: LITELLM_KEY,
    environment: { RIVAL_UPSTREAM: `${engine.url}/v1`, LITELLM_LOG: 'ERROR' },
  })
}

/** @param hasPriority true for its priority scheduler with tenants of their own */
export async function startSmg(
  dir: string,
  engine: Program,
  hasPriority: boolean,
): Promise<Program> {
  const [port, metricsPort] = [await freePort(), await freePort()]
  const scheduler = ['--priority-scheduler-enabled', '--priority-scheduler-config']
  const tenants = ['light', 'flood'].flatMap((name) => ['--tenant-api-key', `${name}:sk-${name}`])
  const priority = [...scheduler, settings('smg-priority.yaml'), ...tenants]
  return start({
    file: join(dir, 'smg/bin/smg'),
    args: [
      ...['launch', '--worker-urls', engine.url, '--log-level', 'warn'],
      ...['--prometheus-port', String(metricsPort), ...local(port)],
      ...(hasPriority ? priority : []),
    ],
    port,
    key: 'sk-light',
  })
}

/** Versions of what is installed in the folder, by package. */
export function versionsIn(dir: string): Record<string, string> {
  const packages = '{vllm,litellm,smg}'
  const found = globSync(`*/lib/python*/site-packages/${packages}-*.dist-info`, { cwd: dir })
  return Object.fromEntries(
    found.map((path) => basename(path, '.dist-info').split('-') as [string, string]),
  )
}

async function start({ file, args, port, key, environment }: Start): Promise<Program> {
  const child = spawn(file, args, {
    env: { ...process.env, ...environment },
    stdio: ['ignore', 'pipe', 'pipe'],
    // A group of its own, so that the workers that it starts end with it.
    detached: true,
  })
  let said = ''
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding('utf8').on('data', (text: string) => {
      said = (said + text).slice(-4000)
    })
  }
  let isOver = false
  const exit = once(child, 'close').finally(() => {
    isOver = true
  })
  exit.catch(() => undefined)
  const signalGroup = (signal: NodeJS.Signals) => {
    if (!isOver && child.pid !== undefined) process.kill(-child.pid, signal)
  }
  const stop = async () => {
    signalGroup('SIGTERM')
    const killer = setTimeout(() => signalGroup('SIGKILL'), KILL_AFTER_MS)
    await exit
    clearTimeout(killer)
  }
  const url = `http://127.0.0.1:${port}`
  const untilMs = performance.now() + START_MS_MAX
  while (!(await answers(url, key))) {
    if (isOver) throw new Error(`${file} ended before it answered: ${said}`)
    if (performance.now() > untilMs) {
      await stop()
      throw new Error(`${file} does not answer: ${said}`)
    }
    await sleep(500)
  }
  return { url, stop }
}

/** True once a chat is answered: some listen long before they can. */
async function answers(url: string, key = 'sk-none'): Promise<boolean> {
  try {
    const answer = await fetch(`${url}/v1/chat/completions`, {
      method: 'POST',
      headers: { authorization: `Bearer ${key}`, 'content-type': 'application/json' },
      body: JSON.stringify({
        model: MODEL,
        messages: [{ role: 'user', content: 'Hello' }],
        max_tokens: 1,
      }),
      signal: AbortSignal.timeout(10_000),
    })
    await answer.text()
    return answer.ok
  } catch {
    return false
  }
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  server.close()
  await once(server, 'close')
  if (address === null || typeof address === 'string') throw new Error('no port is free')
  return address.port
}
