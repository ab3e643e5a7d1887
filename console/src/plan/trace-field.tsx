/** A trace to upload, drop or paste. */
import { Upload } from 'lucide-react'
import { type DragEvent, useRef, useState } from 'react'
import { Button } from '../parts/button.tsx'
import { controlClass } from '../parts/field.tsx'
import { count } from '../units.ts'

export interface Trace {
  blob: Blob
  /** Of the file; null where it was pasted. */
  name: string | null
}

interface TraceFieldProps {
  trace: Trace | null
  onTrace: (trace: Trace | null) => void
}

export function TraceField({ trace, onTrace }: TraceFieldProps) {
  const [isOver, setOver] = useState(false)
  const input = useRef<HTMLInputElement>(null)
  const take = (file: File | undefined) => {
    if (file !== undefined) onTrace({ blob: file, name: file.name })
  }
  const onDrop = (event: DragEvent) => {
    event.preventDefault()
    setOver(false)
    take(event.dataTransfer.files[0])
  }
  return (
    <fieldset
      aria-label="The trace"
      onDragOver={(event) => {
        event.preventDefault()
        setOver(true)
      }}
      onDragLeave={() => setOver(false)}
      onDrop={onDrop}
      className={`grid gap-3 rounded-lg border border-dashed p-3 ${isOver ? 'border-accent bg-sunk/60' : 'border-edge/60'}`}
    >
      <div className="flex flex-wrap items-center gap-x-4 gap-y-2">
        <input
          ref={input}
          type="file"
          accept=".csv,.jsonl,.txt,text/csv"
          aria-label="Trace file"
          tabIndex={-1}
          className="sr-only"
          onChange={(event) => take(event.target.files?.[0])}
        />
        <Button onClick={() => input.current?.click()}>
          <Upload size={14} aria-hidden /> Choose a file
        </Button>
        <p role="status" className="min-w-0 text-[0.82rem] text-soft">
          {trace === null ? 'or drop one here, or paste it below' : traceInWords(trace)}
        </p>
      </div>
      {trace?.name == null && (
        <textarea
          aria-label="Trace"
          rows={4}
          spellCheck={false}
          placeholder={'time_s,tenant,class,input,output,prefix\n0.000,search,standard,412,96,'}
          onChange={({ target: { value } }) =>
            onTrace(value.trim() === '' ? null : { blob: new Blob([value]), name: null })
          }
          className={`${controlClass} font-mono text-[0.75rem]!`}
        />
      )}
      <p className="text-[0.75rem] text-soft">
        The first line names{' '}
        <code className="font-mono">time_s,tenant,class,input,output,prefix</code>; Azure’s,
        Mooncake’s and Arena’s published traces are read as they are. No prompts.
      </p>
    </fieldset>
  )
}

function traceInWords({ blob, name }: Trace): string {
  const size =
    blob.size < 1e6 ? `${count(blob.size / 1e3)} kB` : `${(blob.size / 1e6).toFixed(1)} MB`
  return `${name ?? 'pasted'}, ${size}`
}
