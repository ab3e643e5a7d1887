import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, describe, it } from 'node:test'
import { gzipSync } from 'node:zlib'
import { BackupWriter, readBackup } from './backup-file.ts'

const folder = mkdtempSync(join(tmpdir(), 'gristmill-backup-'))
after(() => rmSync(folder, { recursive: true }))

describe('the file of a backup is refused in words', () => {
  it('where its folder is not there', async () => {
    const opened = BackupWriter.open(join(folder, 'absent', 'a.tar.gz'), 0)
    await assert.rejects(opened, /No backup was written: there is no folder \S+absent\.$/)
  })

  const wrong: [name: string, content: Buffer | undefined, words: string][] = [
    ['absent', undefined, 'there is no such file'],
    ['other', Buffer.from('hello'), 'it is no backup, or damaged'],
    ['cut', gzipSync(Buffer.alloc(9000, 'a')).subarray(0, 20), 'it is cut off'],
  ]
  for (const [name, content, words] of wrong) {
    it(`where it is ${name}`, async () => {
      const path = join(folder, name)
      if (content !== undefined) writeFileSync(path, content)
      const read = readBackup(path).next()
      await assert.rejects(read, new RegExp(`Nothing was restored: \\S+${name}: ${words}\\.$`))
    })
  }
})
