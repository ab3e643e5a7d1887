/** Journals for tests, in folders that go with the process. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Journal } from './journal.ts'

let root: string | undefined

/** An empty folder for a journal. */
export function journalFolder(): string {
  root ??= makeRoot()
  return mkdtempSync(join(root, 'journal-'))
}

function makeRoot(): string {
  const folder = mkdtempSync(join(tmpdir(), 'gristmill-journals-'))
  process.once('exit', () => rmSync(folder, { recursive: true, force: true }))
  return folder
}

export const openTestJournal = (folder = journalFolder()) => Journal.open(folder)
