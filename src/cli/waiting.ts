/**
 * Waiting for a job at the terminal: each change told once, the ending as an exit code.
 */
import type { Client } from '@modelcontextprotocol/client';
import { jobFailure, type JobState } from '../client/answers.ts';
import { finalState } from '../client/call-job.ts';
import type { WaitOptions } from '../client/wait.ts';
import { JobError } from '../job/errors.ts';
import { FailedJob } from './exit.ts';

export interface Wait {
  readonly jobId: string;
  /** The state as it was submitted, when this process submitted it. */
  readonly known: JobState | null;
  readonly timeoutSeconds: number | undefined;
  /** Told each state that differs from the one before. */
  readonly onChange: (state: JobState) => void;
}

/** @throws JobError WAIT_TIMEOUT with the command that goes on waiting */
export async function waitFor(client: Client, wait: Wait): Promise<JobState> {
  const { jobId, known, timeoutSeconds, onChange } = wait;
  let last = '';
  const options: WaitOptions = {
    ...(timeoutSeconds !== undefined && { timeoutMs: timeoutSeconds * 1_000 }),
    onStatus: (state) => {
      const told = JSON.stringify([state.status, state['progress'], state['attempts']]);
      if (told !== last) onChange(state);
      last = told;
    },
  };
  try {
    return await finalState(client, { jobId, known, options });
  } catch (thrown) {
    throw withNextCommand(thrown, jobId);
  }
}

/** @throws FailedJob when the job has ended badly */
export function refuseFailure(state: JobState): void {
  if (state.status === 'failed') throw new FailedJob(jobFailure(state));
}

/** What a job does now, in one line. */
export function stateLine(state: JobState): string {
  const { job_id: id, status, attempts, result, error } = state;
  const facts = [
    typeof attempts === 'number' && attempts > 0 ? `attempts=${attempts}` : '',
    status === 'completed' ? `result=${JSON.stringify(result)}` : '',
    status === 'failed' ? `error=${jobFailure(state).code}` : '',
    error === null || error === undefined ? '' : jobFailure(state).message,
  ];
  return [id, status, ...facts.filter((fact) => fact !== '')].join(' ');
}

function withNextCommand(thrown: unknown, jobId: string): unknown {
  if (!(thrown instanceof JobError) || thrown.code !== 'WAIT_TIMEOUT') return thrown;
  const next = `mcp-async-jobs watch ${jobId}`;
  const { code, message, cause } = thrown;
  const context = { ...thrown.context, next_command: next };
  return new JobError(code, { message, context, cause, remediation: `Go on with: ${next}` });
}
