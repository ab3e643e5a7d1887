/** `gristmill ledger verify`: the proof of the books, part by part, until the first broken row. */
import type { Command } from 'commander'
import type { VerifiedPartView } from '../http/index.ts'
import type { AdminClient } from './client.ts'
import {
  type CliContext,
  connect,
  ExitWith,
  example,
  type RemoteFlags,
  remote,
  show,
} from './context.ts'
import { count } from './units.ts'

type Part = 'requests' | 'statements'

interface Verified {
  requests: number
  open: number
  statements: number
  broken: VerifiedPartView['broken']
}

export function verifyCommand(group: Command, context: CliContext): void {
  const { terminal } = context
  example(remote(group.command('verify')), 'ledger verify')
    .description('prove the books; exit code 1 and the first broken row where they are not whole')
    .action(async (flags: RemoteFlags) => {
      const found = await verify(context, connect(context, flags))
      show(context, flags, found, () => {
        const { requests, open, statements, broken } = found
        if (broken === null) {
          const words = `${count(requests)} requests, each closed once and charged by its price`
          terminal.print(`The books are whole: ${words}; ${count(statements)} statements.`)
          if (open > 0) terminal.print(`${count(open)} requests are open.`)
        } else terminal.print(`Broken: ${broken.id}: ${broken.what}.`)
      })
      if (found.broken !== null) throw new ExitWith(1)
    })
}

async function verify({ terminal }: CliContext, client: AdminClient): Promise<Verified> {
  const found: Verified = { requests: 0, open: 0, statements: 0, broken: null }
  for (const part of ['requests', 'statements'] as const satisfies Part[]) {
    let after: string | null = ''
    while (after !== null) {
      const query = { part, after: after === '' ? undefined : after }
      const seen: VerifiedPartView = await client.get('/api/ledger/verify', query)
      found[part] += seen.checked
      found.open += seen.open
      if (seen.broken !== null) return { ...found, broken: seen.broken }
      if (terminal.isInteractive) terminal.status(`${count(found[part])} ${part}`)
      after = seen.next
    }
  }
  return found
}
