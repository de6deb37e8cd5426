/** Clients that others wrote: the columns of the matrix that run in this package. */
import { byOldTasks } from './by-old-tasks.ts';
import { bySession } from './by-session.ts';
import { byTools } from './by-tools.ts';
import type { JobClient } from './job-client.ts';
import { v1, v2, type Target } from './target.ts';

const MODERN = { pin: '2026-07-28' } as const;

export const CLIENTS: Readonly<Record<string, (target: Target) => Promise<JobClient>>> = {
  'the v2 SDK client, 2026-07-28': async (target) => byTools(await v2(target, MODERN)),
  'the v2 SDK client, 2025-11-25': async (target) => byTools(await v2(target, 'legacy')),
  'ext-tasks, 2026-07-28': async (target) => bySession(await v2(target, MODERN)),
  'ext-tasks, 2025-11-25': async (target) => bySession(await v2(target, 'legacy')),
  'the v1 SDK client, by tools': async (target) => byTools(await v1(target)),
  'the v1 SDK client, by tasks': async (target) => byOldTasks(await v1(target), 'args' in target),
};
