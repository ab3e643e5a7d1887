/** What keys are called; the console's own calls have a key that no list shows. */
import type { KeyView } from './contract.ts'

const CONSOLE_KEY_ID = 'key_console'

export function keyName(id: string, keys: readonly KeyView[] | undefined): string {
  if (id === CONSOLE_KEY_ID) return 'the playground'
  return keys?.find((key) => key.id === id)?.name ?? id
}
