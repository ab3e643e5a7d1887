/** `gristmill chat`: a prompt from the terminal, answered as it is written. */
import { createInterface } from 'node:readline/promises'
import { type Command, Option } from 'commander'
import { GristmillError, serviceClasses } from '../base/index.ts'
import type { ModelView, TenantView } from '../http/index.ts'
import { type ChatEvent, chatEvents } from './chat-events.ts'
import type { AdminClient } from './client.ts'
import { type CliContext, connect, example, type RemoteFlags, remote } from './context.ts'
import { findTenant } from './tenants.ts'
import { duration, figure } from './units.ts'
import { between } from './values.ts'

interface ChatFlags extends RemoteFlags {
  tenant?: string
  model?: string
  system?: string
  maxTokens?: number
  class?: string
}

interface Message {
  role: 'system' | 'user' | 'assistant'
  content: string
}

/** Adds `chat` to the program. */
export function chatCommand(program: Command, context: CliContext): void {
  example(
    remote(program.command('chat [prompt...]')),
    'chat "What is a gristmill?"',
    'chat --tenant Support',
  )
    .description('chat with a model; without a prompt as a conversation')
    .option('--tenant <tenant>', 'tenant to act for, name or id (default: the oldest)')
    .option('--model <name>', 'model (default: the first one served)')
    .option('--system <text>', 'system prompt')
    .option('--max-tokens <n>', 'longest answer, tokens', between(1, 1_000_000))
    .addOption(
      new Option('--class <class>', 'class to ask for (default: of the tenant)').choices(
        serviceClasses,
      ),
    )
    .action(async (words: string[], flags: ChatFlags, command: Command) => {
      const prompt = words.join(' ').trim()
      if (prompt === '' && (words.length > 0 || !context.terminal.isInteractive)) {
        command.error('error: the prompt is missing; without one a terminal is needed')
      }
      const conversation = await begin(context, flags)
      if (prompt !== '') await conversation.ask(prompt)
      else await converse(context, conversation)
    })
}

interface Conversation {
  title: string
  ask(prompt: string, signal?: AbortSignal): Promise<void>
}

async function begin(context: CliContext, flags: ChatFlags): Promise<Conversation> {
  const client = connect(context, flags)
  const tenant = await tenantFor(client, flags.tenant)
  const model = flags.model ?? (await firstModel(client))
  const path = `/api/playground/chat?tenant=${tenant.id}`
  const messages: Message[] = []
  if (flags.system !== undefined) messages.push({ role: 'system', content: flags.system })
  return {
    title: `${model}, as ${tenant.name}`,
    async ask(prompt, signal) {
      messages.push({ role: 'user', content: prompt })
      const body = {
        model,
        messages,
        stream: true,
        stream_options: { include_usage: true },
        ...(flags.maxTokens !== undefined && { max_tokens: flags.maxTokens }),
        ...(flags.class !== undefined && { service_tier: flags.class }),
      }
      const options = { body, ...(signal && { signal }) }
      const startMs = context.clock.monotonicMs()
      const response = await client.open('POST', path, options)
      const content = await tell(context, flags, chatEvents(response), startMs)
      messages.push({ role: 'assistant', content })
    },
  }
}

/** Writes the answer as it comes and then how long it took. */
async function tell(
  { terminal, clock }: CliContext,
  flags: ChatFlags,
  events: AsyncIterable<ChatEvent>,
  startMs: number,
): Promise<string> {
  let content = ''
  let firstMs: number | null = null
  let tokens: number | null = null
  for await (const event of events) {
    if (event.content !== '') firstMs ??= clock.monotonicMs() - startMs
    content += event.content
    tokens = event.outputTokens ?? tokens
    if (!flags.json) terminal.write(event.content)
  }
  const totalMs = clock.monotonicMs() - startMs
  if (flags.json) {
    const line = { content, ttftMs: firstMs, totalMs, outputTokens: tokens }
    terminal.print(JSON.stringify(line))
    return content
  }
  terminal.print('')
  const pace = tokens === null ? null : tokens / (totalMs / 1000)
  const written = tokens === null ? '' : `, ${tokens} tokens, ${figure(pace)} tokens/s`
  terminal.note(terminal.paint('dim', `first token after ${duration(firstMs)}${written}`))
  return content
}

async function converse({ terminal }: CliContext, conversation: Conversation): Promise<void> {
  const lines = createInterface({ input: process.stdin, output: process.stdout })
  terminal.note(`${conversation.title}. Ctrl-C stops an answer, Ctrl-D ends.`)
  let running: AbortController | undefined
  lines.on('SIGINT', () => (running ? running.abort() : lines.close()))
  const closed = new Promise<undefined>((resolve) => lines.on('close', () => resolve(undefined)))
  for (;;) {
    const prompt = await Promise.race([lines.question(terminal.paint('cyan', '> ')), closed])
    if (prompt === undefined) return terminal.print('')
    if (prompt.trim() === '') continue
    running = new AbortController()
    try {
      await conversation.ask(prompt, running.signal)
    } catch (error) {
      if (!running.signal.aborted) throw error
      terminal.note('\nstopped')
    }
    running = undefined
  }
}

async function tenantFor(client: AdminClient, name: string | undefined): Promise<TenantView> {
  if (name !== undefined) return findTenant(client, name)
  for await (const tenant of client.rows<TenantView>('/api/tenants')) return tenant
  throw new GristmillError('not_found', { kind: 'tenant', id: '(there is none)' })
}

/** The model that is served first in the list, for those who name none. */
export async function firstModel(client: AdminClient): Promise<string> {
  for await (const model of client.rows<ModelView>('/api/models')) return model.name
  throw new GristmillError('no_healthy_engine', { model: 'any model' })
}
