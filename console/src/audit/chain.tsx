/** Whether the log is whole: every link of its chain looked at, when somebody asks for it. */
import { useMutation } from '@tanstack/react-query'
import { get } from '../api/client.ts'
import type { AuditCheckView } from '../api/contract.ts'
import { Button } from '../parts/button.tsx'
import { Card } from '../parts/card.tsx'
import { CliCommand } from '../parts/cli-command.tsx'
import { ErrorNote } from '../parts/error-note.tsx'

export function Chain() {
  const check = useMutation({ mutationFn: () => get<AuditCheckView>('/api/audit/check') })
  return (
    <Card
      title="Evidence"
      note="each row is hashed with the one before it"
      className="mt-4"
      actions={
        <a href="/api/audit/export" download="audit.jsonl" className="hover:text-ink">
          Export JSON lines
        </a>
      }
    >
      {check.error !== null && <ErrorNote error={check.error} />}
      {check.data !== undefined && <Found found={check.data} />}
      <div className="mt-3 flex flex-wrap items-center justify-between gap-3">
        <CliCommand command="gristmill audit verify" />
        <Button onClick={() => check.mutate()} disabled={check.isPending}>
          {check.isPending ? 'Checking' : 'Check every row'}
        </Button>
      </div>
    </Card>
  )
}

function Found({ found: { rows, head, broken } }: { found: AuditCheckView }) {
  if (broken !== null) {
    const where = broken.seq === null ? `Row ${broken.auditId}` : `Link ${broken.seq}`
    return (
      <p role="status">
        <span className="font-[580] text-bad">The log is not what it was.</span> {where}:{' '}
        {broken.reason}. {rows} rows before it are as they were written.
      </p>
    )
  }
  return (
    <p role="status" className="wrap-anywhere">
      All {rows} rows are as they were written.{' '}
      {head !== null && (
        <span className="text-soft">
          The last link is{' '}
          <code className="font-mono text-[0.75rem]">
            {head.seq}:{head.hash}
          </code>
          ; kept elsewhere, it finds a log that was written anew.
        </span>
      )}
    </p>
  )
}
