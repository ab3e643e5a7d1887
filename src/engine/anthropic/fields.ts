/**
 * What becomes of the parts of a chat request at an engine of Anthropic's wire. The adapter follows
 * this table and `docs/compatibility.md` shows it.
 */
import { type Fates, ignored, refused, translated } from '../../base/index.ts'

const OWN = "the service's own layer for OpenAI's wire ignores it as well"

export const chatFates: Fates = {
  model: translated('the same name'),
  messages: translated(
    'messages; system and developer messages at the beginning are system, results of tools are blocks of the user; images and PDFs by data or address; audio is refused',
  ),
  max_tokens: translated('the same; 4,096 where nobody names a bound'),
  max_completion_tokens: translated('max_tokens'),
  stream: translated('the same'),
  stream_options: ignored('the service always tells usage'),
  stop: translated('stop_sequences, without those that are nothing but space'),
  temperature: translated('the same; above 1 is 1, which is the most that the service takes'),
  top_p: translated('the same'),
  top_k: translated('the same'),
  tools: translated('functions; others are refused'),
  tool_choice: translated('auto, required (any), none, a function by name (tool)'),
  parallel_tool_calls: translated('false as disable_parallel_tool_use'),
  response_format: translated('json_schema as output_config.format; json_object is refused'),
  reasoning_effort: translated('output_config.effort; none and minimal are low'),
  user: translated('metadata.user_id'),
  safety_identifier: translated('metadata.user_id'),
  n: refused('the service gives one answer'),
  logprobs: refused('the service tells no probabilities'),
  top_logprobs: refused('the service tells no probabilities'),
  audio: refused('the service does not speak'),
  modalities: refused('the service writes text'),
  prediction: ignored(OWN),
  seed: ignored(OWN),
  presence_penalty: ignored(OWN),
  frequency_penalty: ignored(OWN),
  logit_bias: ignored(OWN),
  service_tier: ignored('it is the class here, and the account decides there'),
  metadata: ignored(OWN),
  store: ignored(OWN),
  verbosity: ignored(OWN),
}
