/** `gristmill engine secret`: the keys that engines take; what they are is never shown. */
import type { Command } from 'commander'
import type { EngineKeyView } from '../http/index.ts'
import { type CliContext, connect, example, type RemoteFlags, remote, show } from './context.ts'
import { findEngine, secretFrom } from './engine-find.ts'
import { type Column, printTable } from './table.ts'
import { moment } from './units.ts'

interface KeyFlags extends RemoteFlags {
  apiKeyEnv: string
}

/** Adds `engine secret …` to the commands of engines. */
export function engineSecrets(engines: Command, context: CliContext): void {
  const group = engines.command('secret').description('keys that engines and services take')
  example(remote(group.command('list <engine>')), 'engine secret list openai')
    .description('the keys of an engine, by their fingerprints')
    .action(async (engine: string, flags: RemoteFlags) => {
      const client = connect(context, flags)
      const { id } = await findEngine(client, engine)
      showKeys(context, flags, await client.get<EngineKeyView[]>(`/api/engines/${id}/keys`))
    })
  keyCommand(group, context, 'add', 'a further key of a service; they are used in turn', false)
  keyCommand(group, context, 'set', 'a key in place of all that the engine has', true)
  example(remote(group.command('rotate')), 'engine secret rotate')
    .description('encrypt the keys of all engines with a new master key')
    .action(async (flags: RemoteFlags) => {
      await connect(context, flags).post('/api/engine-keys/rotate')
      show(context, flags, { rotated: true }, () =>
        context.terminal.print('All keys are encrypted with a new master key.'),
      )
    })
  example(remote(group.command('remove <key>')), 'engine secret remove ekey_01jd8m')
    .description('take a key away; what runs with it goes on')
    .action(async (key: string, flags: RemoteFlags) => {
      await connect(context, flags).delete(`/api/engine-keys/${key}`)
      show(context, flags, { id: key, removed: true }, () =>
        context.terminal.print(`Removed ${key}.`),
      )
    })
}

function keyCommand(
  group: Command,
  context: CliContext,
  name: 'add' | 'set',
  description: string,
  replace: boolean,
): void {
  const line = `engine secret ${name} openai --api-key-env OPENAI_API_KEY`
  example(remote(group.command(`${name} <engine>`)), line)
    .description(description)
    .requiredOption('--api-key-env <variable>', 'environment variable here that holds it')
    .action(async (engine: string, { apiKeyEnv, ...flags }: KeyFlags) => {
      const client = connect(context, flags)
      const { id } = await findEngine(client, engine)
      const body = { apiKey: secretFrom(context, apiKeyEnv), replace }
      const keys = await client.post<EngineKeyView[]>(`/api/engines/${id}/keys`, body)
      showKeys(context, flags, keys)
    })
}

const columns: Column<EngineKeyView>[] = [
  { title: 'KEY', value: ({ id }) => id },
  { title: 'FINGERPRINT', value: ({ fingerprint }) => fingerprint },
  { title: 'SINCE', value: ({ createdAt }) => moment(createdAt) },
  { title: 'RESTS', value: ({ rest }) => (rest === null ? 'no' : RESTS[rest]) },
]

const RESTS = { refused: 'the service refuses it', limited: 'its rate is used up' }

function showKeys(context: CliContext, flags: RemoteFlags, keys: EngineKeyView[]): void {
  show(context, flags, keys, () =>
    printTable(context.terminal, keys, columns, 'The engine has no key.'),
  )
}
