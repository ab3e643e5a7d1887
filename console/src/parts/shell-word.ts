/** Arguments of commands that pages show. */

/** Quotes an argument for a POSIX shell where that is needed. */
export function shellWord(word: string): string {
  return /^[\w./:@%+=,-]+$/.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`
}
