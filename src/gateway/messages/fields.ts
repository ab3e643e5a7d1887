/**
 * What becomes of every part of a Messages request at engines that speak OpenAI's wire. The door
 * follows this table and `docs/compatibility.md` shows it; how the translated parts are translated
 * lives beside it.
 */

import { type Fates, ignored, refused, translated } from '../../base/index.ts'
import { engineSampling } from '../engine-sampling.ts'

const SAVES = 'saves cost or time where a service offers it'

export const messagesFields: Fates = {
  model: translated('the same name'),
  messages: translated('messages, block by block as below'),
  system: translated(
    'the first message, with the role system; a line x-anthropic-billing-header is left out',
  ),
  max_tokens: translated(
    "an upper bound: lowered to what the context leaves and to the operator's limit; where the context ends the answer the stop reason is model_context_window_exceeded",
  ),
  stream: translated('the same; usage is always asked for'),
  stop_sequences: translated(
    'stop; the stop reason is stop_sequence where the engine says which one it met (embedded, vLLM), else end_turn',
  ),
  temperature: translated('the same'),
  top_p: translated('the same'),
  top_k: translated('the same'),
  tools: translated(
    'functions, deferred ones once a tool_reference names them; tools that the service would run are refused',
  ),
  tool_choice: translated(
    'auto, any (required), tool (the function) and none; disable_parallel_tool_use as parallel_tool_calls: false; auto and none are left out where there is no tool',
  ),
  metadata: translated('user_id is the end user, believed from keys with the scope end_users'),
  service_tier: translated("auto: the key's default class; standard_only: standard"),
  output_config: translated(
    'format as response_format; effort as reasoning_effort, where xhigh and max are high',
  ),
  output_format: translated('the older name of output_config.format'),
  thinking: ignored('whether a model thinks is its own; what it thinks comes as thinking blocks'),
  cache_control: ignored('engines keep prefixes by themselves'),
  context_management: ignored(SAVES),
  compaction: ignored(SAVES),
  speed: ignored(SAVES),
  billing_policy: ignored(SAVES),
  fallbacks: ignored(SAVES),
  fallback_credit_token: ignored(SAVES),
  diagnostics: ignored('asks for hints beside the answer'),
  user_profile_id: ignored('names an account of another service'),
  workspace_id: ignored('names an account of another service'),
  container: refused('no code is run here'),
  mcp_servers: refused('the client must call its tools itself'),
  thread: refused('conversations are not kept here; send the messages'),
  inference_geo: refused('where an engine stands is not known here'),
  ...engineSampling,
}

/** Blocks of content, in messages and in results of tools. */
export const messagesBlocks: Fates = {
  text: translated('text'),
  image: translated('image_url, from base64 or an address; engines without eyes refuse it'),
  document: translated('plain text and blocks become text; PDFs, files and citations are refused'),
  tool_use: translated('a call of a function'),
  tool_result: translated(
    'a message with the role tool; its images go into the message of the user after it; is_error becomes "Error: " before the text',
  ),
  thinking: translated(
    'reasoning_content, where this gateway signed it; what other services signed is left out, as they do themselves',
  ),
  tool_reference: translated(
    'says that the tool can be called, and shows the deferred tool that it names',
  ),
  redacted_thinking: ignored('only the service that made it can read it'),
  search_result: refused('an engine cannot cite it; send its text'),
  container_upload: refused('no code is run here'),
  server_tool_use: refused('tools are run by the client here'),
  web_search_tool_result: refused('tools are run by the client here'),
  web_fetch_tool_result: refused('tools are run by the client here'),
  code_execution_tool_result: refused('tools are run by the client here'),
  bash_code_execution_tool_result: refused('tools are run by the client here'),
  text_editor_code_execution_tool_result: refused('tools are run by the client here'),
  mcp_tool_use: refused('tools are run by the client here'),
  mcp_tool_result: refused('tools are run by the client here'),
}
