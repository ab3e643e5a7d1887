/** What becomes of every part of a Responses request at engines that speak chat completions. */
import { type Fates, ignored, refused, translated } from '../../base/index.ts'
import { engineSampling } from '../engine-sampling.ts'

const NO_OBJECT = 'there are no such objects here; see previous_response_id'
const OWN_CACHE = 'engines keep prefixes by themselves'
const LEFT_OUT =
  'agent programs always name it; the model is not told of it. Refused where it is the only tool, or chosen'
const SERVER_TOOL = 'tools are run by the client here'

export const responsesFields: Fates = {
  model: translated('the same name'),
  input: translated('messages, item by item as below'),
  instructions: translated('the first message, with the role system'),
  max_output_tokens: translated('max_tokens'),
  stream: translated('the same; usage is always asked for'),
  temperature: translated('the same'),
  top_p: translated('the same'),
  tools: translated('functions, tool by tool as below'),
  tool_choice: translated(
    'auto, none, required and a function or custom tool by name; of allowed_tools the others are not offered; auto and none are left out where there is no tool',
  ),
  parallel_tool_calls: translated('the same; left out where there is no tool'),
  text: translated('format as response_format; verbosity the same'),
  reasoning: translated('effort as reasoning_effort; no summaries are made'),
  metadata: translated('told back; user_id is the end user'),
  user: translated('the end user, believed from keys with the scope end_users'),
  safety_identifier: translated('the newer name of user'),
  service_tier: translated('as in chat completions'),
  truncation: translated('disabled; auto is refused'),
  background: translated('true where the tenant keeps responses; not streamed'),
  store: translated('true, where the tenant keeps responses; the answer says whether it is kept'),
  previous_response_id: translated(
    'what was said before, in front of the input; where the tenant keeps responses',
  ),
  include: ignored('what engines tell is told'),
  stream_options: ignored('nothing is obfuscated'),
  prompt_cache_key: translated('the session, unless a header names one'),
  prompt_cache_options: ignored(OWN_CACHE),
  prompt_cache_retention: ignored(OWN_CACHE),
  context_management: ignored('saves cost or time where a service offers it'),
  max_tool_calls: ignored('counts tools that the service runs, and none are'),
  client_metadata: ignored('is meant for the statistics of a service'),
  conversation: refused(NO_OBJECT),
  prompt: refused('templates are not kept here'),
  top_logprobs: refused('ask chat completions for log probabilities'),
  moderation: refused('nothing is moderated here'),
  access_programs: refused('programs of another service'),
  image: refused('engines make no pictures'),
  ...engineSampling,
}

export const responsesItems: Fates = {
  message: translated(
    'a message; developer becomes system; input_image by address or data, files are refused',
  ),
  function_call: translated('a call of a function, in the message of the assistant around it'),
  function_call_output: translated('a message with the role tool'),
  reasoning: translated(
    'reasoning_content, where it has text; summaries and sealed content are not',
  ),
  custom_tool_call: translated('a call of the function that the tool is to an engine'),
  custom_tool_call_output: translated('a message with the role tool'),
  tool_search_call: translated('a call of the function tool_search'),
  tool_search_output: translated('a message with the role tool, and tools beside the others'),
  additional_tools: translated('tools beside the others'),
  item_reference: translated(
    'the item, where it is of a response that is kept; else send the whole input',
  ),
  web_search_call: refused(SERVER_TOOL),
  file_search_call: refused(SERVER_TOOL),
  code_interpreter_call: refused(SERVER_TOOL),
  computer_call: refused(SERVER_TOOL),
  image_generation_call: refused(SERVER_TOOL),
  local_shell_call: refused(SERVER_TOOL),
  mcp_call: refused(SERVER_TOOL),
  compaction: refused('only the service that made it can read it'),
}

export const responsesTools: Fates = {
  function: translated('the same'),
  custom: translated(
    'a function with one text, input, and back; a grammar is told to the model and not enforced; streamed, its input comes in one piece',
  ),
  tool_search: translated('execution client: a function, and back; else refused'),
  namespace: translated('its tools as namespace__name, and back'),
  web_search: ignored(LEFT_OUT),
  web_search_preview: ignored(LEFT_OUT),
  image_generation: ignored(LEFT_OUT),
  file_search: refused(SERVER_TOOL),
  code_interpreter: refused(SERVER_TOOL),
  mcp: refused(SERVER_TOOL),
  computer_use_preview: refused(SERVER_TOOL),
  local_shell: refused('engines know no shells; offer it as a function'),
}
