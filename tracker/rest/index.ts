/**
 * The frame of the REST interface. A route is declared once (`defineRoute`), with what it takes and
 * answers and what it does; the frame registers it, lets only operators call it, checks what is said,
 * does a mutation once for each idempotency key, tells the observer, and describes all routes as
 * OpenAPI. What routes there are, and what they mean, is said elsewhere.
 */
export { LoggedCalls, type CallObserver, type CallRecord } from './call-observer.ts';
export { addRestRoutes, type RestComponents } from './frame.ts';
export type { AdmissionInit } from './admission.ts';
export {
  defaultRecords,
  MemoryRecords,
  type Begun,
  type IdempotencyRecords,
  type KeptAnswer,
} from './idempotency-records.ts';
export { callerAmong, Operators } from './operators.ts';
export {
  assertOperatorName,
  maxOperators,
  readOperators,
  type Operator,
} from './operator-files.ts';
export { linkNext, pageOf, type Page } from './page.ts';
export { defineRoute, eventsAnswer, jsonAnswer } from './route.ts';
export type { RestMethod, RestRoute, RouteAccess, RouteCall, RouteDeclaration } from './route.ts';
export { defaultWrongTokens, WrongTokens } from './wrong-tokens.ts';
