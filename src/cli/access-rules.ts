/** `gristmill user rules`: what groups of the directory may. */
import type { Command } from 'commander'
import { parse, stringify } from 'yaml'
import { z } from 'zod'
import { checked, GristmillError } from '../base/index.ts'
import type { AccessRulesView, TenantView } from '../http/index.ts'
import { type CliContext, connect, example, type RemoteFlags, remote, show } from './context.ts'
import { readNamedFile } from './named-file.ts'

const PATH = '/api/access-rules'

/** As people write them: tenants by name or id, and none where it is for all. */
const fileSchema = z.strictObject({
  rules: z.array(
    z.strictObject({
      group: z.string(),
      role: z.string(),
      tenants: z.array(z.string()).default([]),
    }),
  ),
})

/** Adds `rules` to `user …`. */
export function accessRuleCommands(user: Command, context: CliContext): void {
  const { terminal } = context
  const group = user.command('rules').description('what groups of the directory may')
  example(remote(group.command('show')), 'user rules show > rules.yaml')
    .description('print the rules as YAML; the first that fits decides on the role')
    .action(async (flags: RemoteFlags) => {
      const client = connect(context, flags)
      const { rules } = await client.get<AccessRulesView>(PATH)
      const names = new Map((await client.all<TenantView>('/api/tenants')).map((t) => [t.id, t]))
      const written = rules.map(({ tenantIds, ...rule }) => ({
        ...rule,
        ...(tenantIds.length > 0 && { tenants: tenantIds.map((id) => names.get(id)?.name ?? id) }),
      }))
      show(context, flags, rules, () => terminal.write(stringify({ rules: written })))
    })
  example(remote(group.command('apply <file>')), 'user rules apply rules.yaml')
    .description('replace all rules by those of a YAML or JSON file (- reads standard input)')
    .action(async (file: string, flags: RemoteFlags) => {
      const client = connect(context, flags)
      const tenants = await client.all<TenantView>('/api/tenants')
      const idOf = (name: string) => {
        const found = tenants.find((one) => one.id === name || one.name === name)
        if (!found) throw new GristmillError('not_found', { kind: 'tenant', id: name })
        return found.id
      }
      const rules = readRules(file).map(({ tenants: named, ...rule }) => ({
        ...rule,
        tenantIds: named.map(idOf),
      }))
      const changed = await client.put<AccessRulesView>(PATH, { rules })
      show(context, flags, changed.rules, () =>
        terminal.print(`${changed.rules.length} rules hold now.`),
      )
    })
}

function readRules(file: string): z.infer<typeof fileSchema>['rules'] {
  const text = readNamedFile(file)
  const read = () => {
    try {
      return parse(text) as unknown
    } catch (cause) {
      const reason = (cause as Error).message.split('\n')[0] ?? ''
      throw new GristmillError('invalid_value', { param: file, reason }, { cause })
    }
  }
  return checked(fileSchema, read()).rules
}
