/** `gristmill config`: what is set, from where, and what is wrong with it. Needs no server. */
import type { Command } from 'commander'
import { reportConfig } from '../base/index.ts'
import { type CliContext, ExitWith, example, show, withJson } from './context.ts'
import { printTable } from './table.ts'

interface ConfigFlags {
  json?: true
  config?: string
}

/** Adds `config …` to the program. */
export function configCommands(program: Command, context: CliContext): void {
  const { terminal } = context
  const group = program.command('config').description('settings of the server')
  example(
    withJson(group.command('check')),
    'config check',
    'config check --config /etc/gristmill/environment',
  )
    .description('check all settings at once and say where each comes from')
    .option('--config <file>', 'file of NAME=value lines (default: GRISTMILL_CONFIG)')
    .action((flags: ConfigFlags) => {
      const { environment } = context
      const report = reportConfig({
        ...environment,
        ...(flags.config !== undefined && { GRISTMILL_CONFIG: flags.config }),
      })
      show(context, flags, report, () => {
        printTable(
          terminal,
          report.values,
          [
            { title: 'NAME', value: ({ name }) => name },
            { title: 'VALUE', value: ({ value }) => value },
            { title: 'FROM', value: ({ origin }) => origin },
          ],
          'Nothing is set: every setting has its default.',
        )
        for (const name of report.unknown) terminal.note(`${name} means nothing to Gristmill.`)
        for (const sentence of report.wrong) terminal.note(sentence)
        if (report.wrong.length === 0) terminal.print('Everything that is set is right.')
      })
      if (report.wrong.length > 0) throw new ExitWith(1)
    })
}
