/** Several worker processes on one database of either engine, and what can be seen of them there. */
import { join } from 'node:path';
import { defineStatement } from '../../src/job/effects.ts';
import type { Job } from '../../src/job/job.ts';
import * as postgres from '../../src/postgres.ts';
import * as sqlite from '../../src/sqlite.ts';
import type { Store } from '../../src/store/store.ts';
import { aJob, ownerOf } from '../support/a-job.ts';
import { startScript, type Script } from '../support/child.ts';
import { emptyDatabase } from '../support/postgres.ts';
import { tempFolder, type Ending } from '../support/temp.ts';

export const ENGINES = ['sqlite', 'postgres'] as const;
export type Engine = (typeof ENGINES)[number];

export interface Address {
  readonly engine: Engine;
  /** Path of the file, or URL of the database. */
  readonly at: string;
}

export interface CrewOptions extends Address {
  readonly concurrency: number;
  readonly maxRunningPerTeam?: number;
}

const CREW = new URL('./crew.ts', import.meta.url);

export async function emptyPlace(t: Ending, engine: Engine): Promise<Address> {
  const at = engine === 'sqlite' ? join(tempFolder(t), 'jobs.db') : await emptyDatabase();
  return { engine, at };
}

export function openAt({ engine, at }: Address): Promise<Store> {
  return engine === 'sqlite'
    ? sqlite.openStore(at, { isGuest: true })
    : postgres.openStore(at, { connectionsMax: 6 });
}

/** A process that works, ready to. */
export async function startCrew(t: Ending, options: CrewOptions): Promise<Script> {
  const script = startScript(t, CREW, options);
  await script.said('works', 20_000);
  return script;
}

/** @returns ids, in the order in which they were submitted */
export async function submit(
  store: Store,
  { team, tool, ms, count }: { team: string; tool: string; ms: number; count: number },
): Promise<string[]> {
  const jobs = Array.from({ length: count }, () =>
    aJob({ team, tool, input: JSON.stringify({ ms }) }),
  );
  await Promise.all(jobs.map((job) => store.insert(job, 0)));
  return jobs.map(({ id }) => id);
}

export async function jobOf(store: Store, team: string, id: string): Promise<Job> {
  const job = await store.get(id, ownerOf({ team, owner: 'usr_a' }));
  if (!job) throw new Error(`${id} is not there`);
  return job;
}

const RUNNING_TEXT = `SELECT team_id, tool, count(*) AS running FROM jobs
  WHERE status = 'running' GROUP BY team_id, tool`;
const RUNNING = defineStatement({
  name: 'running',
  sqlite: RUNNING_TEXT,
  postgres: RUNNING_TEXT,
});
const OPEN_TEXT = `SELECT count(*) AS open FROM jobs WHERE completed_at IS NULL`;
const OPEN = defineStatement({ name: 'open', sqlite: OPEN_TEXT, postgres: OPEN_TEXT });

export interface Running {
  readonly team: string;
  readonly tool: string;
  readonly running: number;
}

export async function runningIn(store: Store): Promise<Running[]> {
  return (await store.read(RUNNING, {})).map((row) => ({
    team: row['team_id'] as string,
    tool: row['tool'] as string,
    running: row['running'] as number,
  }));
}

export async function openIn(store: Store): Promise<number> {
  return ((await store.read(OPEN, {}))[0]?.['open'] as number | undefined) ?? 0;
}
