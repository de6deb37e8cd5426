/** The other side: call a long-running tool and wait for its result, on a client of the SDK. */
export { callJob, resumeJob } from './client/call-job.ts';
export type { CallJobOptions, ToolCaller } from './client/call-job.ts';
export type { Body, JobState } from './client/answers.ts';
export type { WaitOptions } from './client/wait.ts';
