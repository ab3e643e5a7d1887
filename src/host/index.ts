/**
 * This machine: the data home and its lock, child processes under watchers, model files, and what
 * it sends to addresses that others have chosen.
 */
export {
  type Child,
  type ChildExit,
  type ChildOptions,
  type StopStep,
  startChild,
} from './child.ts'
export type { Progress } from './download.ts'
export { checkPort, freePort } from './free-port.ts'
export { type Home, type HomeFolder, type OpenHomeOptions, openHome } from './home.ts'
export { describeMachine, type Machine } from './machine.ts'
export { type Mail, type MailServer, mailSender, type SendMail } from './mail.ts'
export { DEFAULT_MODEL, EMBEDDING_MODEL } from './model-catalog.ts'
export type { Model } from './model-registry.ts'
export {
  type DefaultModel,
  type ModelStore,
  type ModelStoreOptions,
  type OnProgress,
  openModelStore,
  type SourceFailure,
} from './models.ts'
export { OutboundAddresses, type Resolve } from './outbound-addresses.ts'
export { type OutboundPost, postOnce } from './outbound-post.ts'
export { whenParentGone } from './parents.ts'
export { commandLine, isRunning, processStart, signalProcess } from './processes.ts'
export {
  type Supervised,
  type SuperviseOptions,
  type SupervisionEvent,
  supervise,
} from './supervise.ts'
export {
  type SyslogMessage,
  type SyslogTarget,
  sendSyslog,
  syslogLine,
} from './syslog.ts'
export { TAR_END, type TarEntry, tarEntries, tarEntry } from './tar.ts'
