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
import { count, moment } from './units.ts'

type Part = 'requests' | 'usage' | 'statements'

interface Verified {
  requests: number
  open: number
  /** Days. */
  usage: number
  statements: number
  dropped: VerifiedPartView['dropped']
  broken: VerifiedPartView['broken']
}

export function verifyCommand(group: Command, context: CliContext): void {
  const { terminal } = context
  example(remote(group.command('verify')), 'ledger verify')
    .description('prove the books; exit code 1 and the first broken row where they are not whole')
    .action(async (flags: RemoteFlags) => {
      const found = await verify(context, connect(context, flags))
      show(context, flags, found, () => {
        const { requests, open, usage, statements, dropped, broken } = found
        if (broken === null) {
          const words = `${count(requests)} requests, each closed once and charged by its price`
          const sums = `sums of ${count(usage)} days; ${count(statements)} statements`
          terminal.print(`The books are whole: ${words}; ${sums}.`)
          if (dropped !== null) {
            const sentence = `requests of before ${moment(dropped.before)} were dropped`
            terminal.print(`${count(dropped.requests)} ${sentence}; their hours add up.`)
          }
          if (open > 0) terminal.print(`${count(open)} requests are open.`)
        } else terminal.print(`Broken: ${broken.id}: ${broken.what}.`)
      })
      if (found.broken !== null) throw new ExitWith(1)
    })
}

async function verify({ terminal }: CliContext, client: AdminClient): Promise<Verified> {
  const counts = { requests: 0, open: 0, usage: 0, statements: 0 }
  const found: Verified = { ...counts, dropped: null, broken: null }
  for (const part of ['requests', 'usage', 'statements'] as const satisfies Part[]) {
    let after: string | null = ''
    while (after !== null) {
      const query = { part, after: after === '' ? undefined : after }
      const seen: VerifiedPartView = await client.get('/api/ledger/verify', query)
      found[part] += seen.checked
      found.open += seen.open
      found.dropped = seen.dropped
      if (seen.broken !== null) return { ...found, broken: seen.broken }
      if (terminal.isInteractive) terminal.status(`${part}: ${count(found[part])}`)
      after = seen.next
    }
  }
  return found
}
