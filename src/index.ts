/**
 * The public door: what an author of a server uses. Every export here is public API.
 * It loads no SDK, no HTTP, no driver.
 */
export { definitionsOf, defineJob } from './job/definition.ts';
export type {
  AnyDefinition,
  Answered,
  Completed,
  JobContext,
  JobDefinition,
  JobOptions,
  PrepareContext,
  Prepared,
  Question,
} from './job/definition.ts';
export { defineStatement } from './job/effects.ts';
export type { Effect, Param, Params, Statement } from './job/effects.ts';
export { JobError } from './job/errors.ts';
export type { ErrorBody, JobErrorOptions } from './job/errors.ts';
export { newId } from './job/ids.ts';
export { now, toWireTime } from './job/clock.ts';
export { pollDelayMs } from './job/cadence.ts';
export { can } from './job/who.ts';
export type { Who } from './job/who.ts';
export type { Json } from './job/json.ts';
export type { Logger } from './job/log.ts';
export type { Job } from './job/job.ts';
export type { Migrations, MigrationStep } from './store/migrations.ts';
export type { Store, WriteResult } from './store/store.ts';
