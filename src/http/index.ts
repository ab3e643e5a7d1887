/** The HTTP room: server, authentication, the admin API and its contract. */
export type * from './contract.ts'
export { knownPerson } from './directory.ts'
export { createHttpServer, type HttpServer } from './server.ts'
export type {
  BatchService,
  DedicatedInput,
  DemoService,
  EngineService,
  GatewayService,
  HttpOptions,
  HttpServices,
  NewEngine,
  PlanInput,
  PlanService,
  QueueService,
  Readiness,
  RouteService,
  TraceDestination,
  TraceDestinationInput,
} from './services.ts'
