/**
 * Waiting for a job at the terminal: each change told once, the ending as an exit code.
 */
import type { Client } from '@modelcontextprotocol/client';
import { jobFailure, progressOf, type JobProgress, type JobState } from '../client/answers.ts';
import { finalState } from '../client/call-job.ts';
import type { WaitOptions } from '../client/wait.ts';
import { JobError } from '../job/errors.ts';
import type { Display } from './display.ts';
import { FailedJob } from './exit.ts';

export interface Wait {
  readonly jobId: string;
  /** The state as it was submitted, when this process submitted it. */
  readonly known: JobState | null;
  readonly timeoutSeconds: number | undefined;
  readonly display: Display;
}

/** Who looks at a bar sees the job change within this time, whatever carries its progress. */
const BAR_HOLD_SECONDS = 5;

/** @throws JobError WAIT_TIMEOUT with the command that goes on waiting */
export async function waitFor(client: Client, wait: Wait): Promise<JobState> {
  const { jobId, known, timeoutSeconds, display } = wait;
  let told = '';
  let latest: JobState | null = null;
  const show = (state: JobState): void => {
    latest = state;
    const { status, attempts = 0, queue_position: position, input_requests: asked } = state;
    const change = JSON.stringify([status, attempts, position, asked, progressOf(state)]);
    if (change !== told) display.onChange(state);
    told = change;
  };
  const options: WaitOptions = {
    ...(timeoutSeconds !== undefined && { timeoutMs: timeoutSeconds * 1_000 }),
    ...(display.isBar && { holdSeconds: BAR_HOLD_SECONDS }),
    onStatus: show,
    onProgress: (progress) => {
      if (latest !== null && latest.status !== 'completed') show(withProgress(latest, progress));
    },
  };
  let final: JobState | null = null;
  try {
    return (final = await finalState(client, { jobId, known, options }));
  } catch (thrown) {
    throw withNextCommand(thrown, jobId);
  } finally {
    display.close(final);
  }
}

/** What is told between two answers; a job that gets on runs. */
function withProgress(state: JobState, { etaSeconds, ...progress }: JobProgress): JobState {
  const { eta_seconds: eta, ...rest } = state;
  return {
    ...rest,
    status: state.status === 'queued' ? 'running' : state.status,
    progress,
    ...(etaSeconds === null
      ? eta !== undefined && { eta_seconds: eta }
      : { eta_seconds: etaSeconds }),
  };
}

/** @throws FailedJob when the job has ended badly */
export function refuseFailure(state: JobState): void {
  if (state.status === 'failed') throw new FailedJob(jobFailure(state));
}

function withNextCommand(thrown: unknown, jobId: string): unknown {
  if (!(thrown instanceof JobError) || thrown.code !== 'WAIT_TIMEOUT') return thrown;
  const next = `mcp-async-jobs watch ${jobId}`;
  const { code, message, cause } = thrown;
  const context = { ...thrown.context, next_command: next };
  return new JobError(code, { message, context, cause, remediation: `Go on with: ${next}` });
}
