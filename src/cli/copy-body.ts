/** What a server streams, onto standard output as it is. */
import type { Terminal } from './terminal.ts'

export async function copyBody(terminal: Terminal, response: Response): Promise<void> {
  if (response.body === null) return
  for await (const part of response.body) terminal.write(part)
}
