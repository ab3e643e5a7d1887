/** The files of a batch. They hold prompts and answers, so only a key of their project reads them. */
import type { BatchView } from '../api/contract.ts'
import { Card } from '../parts/card.tsx'
import { CliCommand } from '../parts/cli-command.tsx'
import { CopyButton } from '../parts/copy-button.tsx'

interface FileOfBatch {
  name: string
  id: string | null
  without: string
}

export function BatchFiles({ batch }: { batch: BatchView }) {
  const { inputFileId, outputFileId, errorFileId, endedAt } = batch
  const without = (none: string) => (endedAt === null ? 'there once the batch has ended' : none)
  const files: FileOfBatch[] = [
    { name: 'Input', id: inputFileId, without: '' },
    { name: 'Output', id: outputFileId, without: without('none: no line was answered') },
    { name: 'Errors', id: errorFileId, without: without('none: no line ended with an error') },
  ]
  return (
    <Card
      title="Files"
      note="prompts and answers: a key of the same project fetches them, a sign-in does not"
    >
      <ul className="grid gap-x-6 gap-y-3 md:grid-cols-3">
        {files.map(({ name, id, without: why }) => (
          <li key={name} className="min-w-0">
            <p className="text-[0.75rem] text-soft">{name}</p>
            {id === null ? (
              <p className="text-soft">{why}</p>
            ) : (
              <p className="flex items-center gap-1.5">
                <code className="min-w-0 truncate font-mono text-[0.8rem]" title={id}>
                  {id}
                </code>
                <CopyButton text={id} label={`Copy the id of the ${name.toLowerCase()} file`} />
              </p>
            )}
          </li>
        ))}
      </ul>
      <CliCommand className="mt-3 wrap-anywhere" command={commandFor(batch)} />
    </Card>
  )
}

/** What brings the files here; before there are any, what tells when they are there. */
function commandFor({ id, endedAt, outputFileId, errorFileId }: BatchView): string {
  if (endedAt === null) return `gristmill batch watch ${id}`
  if (outputFileId === null && errorFileId === null) return `gristmill batch status ${id}`
  const errors = errorFileId === null ? '' : ' --errors errors.jsonl'
  return `gristmill batch results ${id} --output output.jsonl${errors}`
}
