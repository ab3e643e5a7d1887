/** Adding an engine by its address, or a rented service; what it is shows before it is added. */
import { useState } from 'react'
import { useChange } from '../api/changes.ts'
import type { EngineView } from '../api/contract.ts'
import { Button } from '../parts/button.tsx'
import { CliCommand } from '../parts/cli-command.tsx'
import { Dialog } from '../parts/dialog.tsx'
import { ErrorNote } from '../parts/error-note.tsx'
import { Choice, Field } from '../parts/field.tsx'
import { numberOf, onSubmit } from '../parts/on-submit.ts'
import { shellWord } from '../parts/shell-word.ts'
import { Found, useDetection } from './detection.tsx'

export function AddEngine({ isOpen, onClose }: { isOpen: boolean; onClose: () => void }) {
  return (
    <Dialog title="Add an engine" isOpen={isOpen} onClose={onClose}>
      <Form onClose={onClose} />
    </Dialog>
  )
}

const SERVICES = {
  anthropic: 'Anthropic',
  azure: 'Azure OpenAI',
  bedrock: 'Amazon Bedrock',
  gemini: 'Gemini',
  mistral: 'Mistral',
  openai: 'OpenAI',
  openrouter: 'OpenRouter',
}

const EXAMPLES: Record<string, string> = {
  '': 'http://10.0.0.7:8000',
  azure: 'https://NAME.openai.azure.com',
  bedrock: 'https://bedrock-runtime.REGION.amazonaws.com',
}

function Form({ onClose }: { onClose: () => void }) {
  const add = useChange<EngineView>(['/api/engines', '/api/models'], onClose)
  const [service, setService] = useState('')
  const [url, setUrl] = useState('')
  const [name, setName] = useState('')
  const [apiKey, setApiKey] = useState('')
  const [models, setModels] = useState('')
  const [isReplicated, setReplicated] = useState(false)
  const place = {
    ...(url !== '' && { url }),
    ...(service !== '' && { service }),
    ...(apiKey !== '' && { apiKey }),
  }
  const detection = useDetection(place)
  const replicas = isReplicated && service === ''
  const named = models.split(/[\s,]+/).filter(Boolean)
  const submit = (form: FormData) => {
    const cap = numberOf(form, 'cap')
    add.mutate({
      method: 'POST',
      path: '/api/engines',
      body: {
        ...place,
        ...(replicas && { replicas }),
        ...(name !== '' && { name }),
        ...(cap !== null && { cap }),
        ...(named.length > 0 && { models: named }),
      },
    })
  }
  return (
    <form onSubmit={onSubmit(submit)} className="grid gap-3.5">
      <Choice
        label="Where it runs"
        value={service}
        onChange={(event) => setService(event.target.value)}
      >
        <option value="">On a machine of your own</option>
        {Object.entries(SERVICES).map(([key, title]) => (
          <option key={key} value={key}>
            Rented from {title}
          </option>
        ))}
      </Choice>
      <Field
        label="Address"
        type="url"
        required={service in EXAMPLES}
        value={url}
        onChange={(event) => setUrl(event.target.value)}
        placeholder={EXAMPLES[service] ?? 'its usual one'}
        hint={
          service === ''
            ? 'Without /v1. vLLM, SGLang, llama.cpp’s server, Ollama and everything else that speaks the OpenAI wire.'
            : 'Only where it is not the usual one of the service.'
        }
        data-first
      />
      {service === '' && (
        <label className="flex items-center gap-2 text-[0.87rem]">
          <input
            type="checkbox"
            checked={isReplicated}
            onChange={(event) => setReplicated(event.target.checked)}
            className="size-4 accent-(--accent)"
          />
          Several engines behind it, found by DNS
        </label>
      )}
      <Field
        label={service === '' ? 'Its own key, where it wants one' : 'Key'}
        type="password"
        autoComplete="off"
        required={service !== ''}
        value={apiKey}
        onChange={(event) => setApiKey(event.target.value)}
        hint="Stored encrypted, never shown again, sent to that engine only."
      />
      <Found detection={detection} />
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
        label="Models"
        required={service !== ''}
        value={models}
        onChange={(event) => setModels(event.target.value)}
        placeholder={
          service === '' ? 'all that it serves' : (detection.data?.models[0]?.name ?? '')
        }
        hint={
          service === ''
            ? 'Only these, with commas between them.'
            : 'Those to offer, with commas between them: each answer costs money.'
        }
      />
      {add.error !== null && <ErrorNote error={add.error} />}
      <CliCommand command={commandOf({ service, url, replicas, name, models: named })} />
      <div className="flex justify-end gap-2">
        <Button onClick={onClose}>Cancel</Button>
        <Button look="main" type="submit" disabled={add.isPending}>
          {add.isPending ? 'Asking it' : 'Add'}
        </Button>
      </div>
    </form>
  )
}

interface Command {
  service: string
  url: string
  replicas: boolean
  name: string
  models: readonly string[]
}

function commandOf({ service, url, replicas, name, models }: Command): string {
  return [
    'gristmill engine add',
    ...(url !== '' || service === '' ? [shellWord(url || 'URL')] : []),
    ...(replicas ? ['--replicas'] : []),
    ...(service === '' ? [] : [`--service ${service} --api-key-env KEY`]),
    ...(name === '' ? [] : [`--name ${shellWord(name)}`]),
    ...models.map((model) => `--model ${shellWord(model)}`),
  ].join(' ')
}
