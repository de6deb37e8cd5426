/** What `doctor` finds in a database of either store. */
import assert from 'node:assert/strict';
import { cli } from '../../scripts/cli-process.ts';
import { cancel, complete } from '../../src/job/transitions.ts';
import type { Store } from '../../src/store/store.ts';
import { aJob, claim, ownerOf } from '../support/a-job.ts';
import { dataOf } from './a-server.ts';

interface Finding {
  readonly check: string;
  readonly level: string;
  readonly message: string;
  readonly fix?: string;
}

interface Examined {
  readonly code: number | null;
  readonly ok: boolean;
  readonly findings: readonly Finding[];
  /** What is not fine; each has a fix. */
  readonly wrong: readonly Finding[];
}

export async function examined(
  args: readonly string[],
  env: Readonly<Record<string, string>> = {},
): Promise<Examined> {
  const ended = await cli(['doctor', '--json', ...args], { env });
  const { ok, findings } = dataOf(ended) as { ok: boolean; findings: Finding[] };
  const wrong = findings.filter(({ level }) => level !== 'ok');
  for (const { check, fix } of wrong) assert.ok(fix, `${check} has no fix`);
  return { code: ended.code, ok, findings, wrong };
}

/** Jobs that limits hold are counted, and those that nothing lets go are told apart. Closes the store. */
export async function assertHeldJobsAreTold(
  store: Store,
  examine: () => Promise<Examined>,
): Promise<void> {
  const jobs = Array.from({ length: 4 }, () => aJob());
  for (const job of jobs) await store.insert(job, 0);
  const [, second] = jobs;
  const limits = { perTeam: 1, tools: new Map() };
  const [running] = (await claim(store, { limits })).jobs;
  assert.ok(running && second);
  const held = async () => (await examine()).findings.find(({ check }) => check === 'held jobs');
  const message = '3 jobs are held by limits on running jobs.';
  assert.deepEqual(await held(), { check: 'held jobs', level: 'ok', message });
  await store.apply(running.id, complete(running, '{}', []));
  await store.applyAs(second.id, ownerOf(second), cancel('req_2'));
  await store.close();
  const stranded = await held();
  assert.equal(stranded?.level, 'warning');
  assert.match(stranded.message, /^2 jobs are held .* held jobs of "print" nothing runs/);
}
