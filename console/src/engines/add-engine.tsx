/** Adding an engine by its address. */
import { useState } from 'react'
import { useChange } from '../api/changes.ts'
import type { EngineView } from '../api/contract.ts'
import { Button } from '../parts/button.tsx'
import { CliCommand } from '../parts/cli-command.tsx'
import { Dialog } from '../parts/dialog.tsx'
import { ErrorNote } from '../parts/error-note.tsx'
import { Field } from '../parts/field.tsx'
import { numberOf, onSubmit, textOf } from '../parts/on-submit.ts'
import { shellWord } from '../parts/shell-word.ts'

export function AddEngine({ isOpen, onClose }: { isOpen: boolean; onClose: () => void }) {
  return (
    <Dialog title="Add an engine" isOpen={isOpen} onClose={onClose}>
      <Form onClose={onClose} />
    </Dialog>
  )
}

function Form({ onClose }: { onClose: () => void }) {
  const add = useChange<EngineView>(['/api/engines', '/api/models'], onClose)
  const [url, setUrl] = useState('')
  const [name, setName] = useState('')
  const submit = (form: FormData) => {
    const cap = numberOf(form, 'cap')
    const apiKey = textOf(form, 'apiKey')
    add.mutate({
      method: 'POST',
      path: '/api/engines',
      body: {
        url,
        ...(name !== '' && { name }),
        ...(cap !== null && { cap }),
        ...(apiKey !== '' && { apiKey }),
      },
    })
  }
  const flag = name === '' ? '' : ` --name ${shellWord(name)}`
  return (
    <form onSubmit={onSubmit(submit)} className="grid gap-3.5">
      <Field
        label="Address"
        type="url"
        required
        value={url}
        onChange={(event) => setUrl(event.target.value)}
        placeholder="http://10.0.0.7:8000"
        hint="Without /v1. vLLM, SGLang, llama.cpp’s server and everything else that speaks the OpenAI wire."
        data-first
      />
      <div className="grid grid-cols-2 gap-3">
        <Field
          label="Name"
          maxLength={100}
          value={name}
          onChange={(event) => setName(event.target.value)}
          placeholder="gpu-1"
        />
        <Field
          label="Slots"
          name="cap"
          type="number"
          min={1}
          max={4096}
          placeholder="as it says"
          hint="Requests in flight."
        />
      </div>
      <Field
        label="Its own key, where it wants one"
        name="apiKey"
        type="password"
        autoComplete="off"
        hint="Stored, never shown again, sent to that engine only."
      />
      {add.error !== null && <ErrorNote error={add.error} />}
      <CliCommand command={`gristmill engine add ${shellWord(url || 'URL')}${flag}`} />
      <div className="flex justify-end gap-2">
        <Button onClick={onClose}>Cancel</Button>
        <Button look="main" type="submit" disabled={add.isPending}>
          {add.isPending ? 'Asking it' : 'Add'}
        </Button>
      </div>
    </form>
  )
}
