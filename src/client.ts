/** The other side: call a long-running tool and wait for its result, on a client of the SDK. */
export { callJob, resumeJob } from './client/call-job.ts';
export type { CallJobOptions, ToolDescription } from './client/call-job.ts';
export type { Body, JobProgress, JobState } from './client/answers.ts';
export type { ToolCaller } from './client/surface.ts';
export type { WaitOptions } from './client/wait.ts';
