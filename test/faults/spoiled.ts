/** Files that rot: single bits, torn ends. What is served then, who says so, and whether it goes on. */
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  readFileSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ask, fail, handBack } from '../../src/job/transitions.ts';
import { JobError } from '../../src/job/errors.ts';
import { aJob, claim } from '../support/a-job.ts';
import { startScript } from '../support/child.ts';
import type { Ending } from '../support/temp.ts';
import { inLanes, withEnding, type Fault, type FaultRun, type Outcome } from './fault.ts';
import { batchOf, Fleet, kill } from './fleet.ts';
import { openAt } from './address.ts';
import { place, type Caller, type Place } from './place.ts';
import { Seeded } from './random.ts';
import type { Spoiled, SpoiledOptions } from './spoiled-node.ts';

const NODE = new URL('./spoiled-node.ts', import.meta.url);
const LANES = 2;
/** So many copies are served by one process. */
const TOGETHER = 20;
const COPY_MS = 60_000;
const BATCH = 'bulk_generate_access_codes';

interface Base {
  readonly at: Place;
  readonly options: Omit<SpoiledOptions, 'paths'>;
}

/** A database with jobs in every status, codes, and what is not yet in the file but in its log. */
async function base(t: Ending): Promise<Base> {
  const at = await place(t, 'sqlite', tmpdir());
  const [owner, stranger] = await at.callers(2);
  if (!owner || !stranger) throw new Error('nobody calls');
  const fleet = new Fleet(t, at, { application: 'codes', workers: 1, retentionMs: 1e10 });
  const client = fleet.client(owner, 'ann');
  const jobs: string[] = [];
  const batch = async (key: string, plan: string): Promise<void> => {
    const job = await client.submitSurely(BATCH, batchOf(plan, 8), key);
    const [code = ''] = await client.codes(await client.ended(job));
    await client.redeem(code, 'sam');
    jobs.push(job);
  };
  const first = await fleet.start();
  const plan = await client.plan();
  for (const key of ['a', 'b', 'c']) await batch(key, plan);
  first.kill('SIGTERM');
  await first.ended;
  jobs.push(...(await inEveryStatus(at, owner)));
  const second = await fleet.start();
  for (const key of ['d', 'e']) await batch(key, plan);
  await kill(second);
  const options = { owner: owner.token, stranger: stranger.token, jobs, batch: batchOf(plan, 2) };
  return { at, options };
}

/** Jobs that no worker of the application runs, each with texts that are read when it is shown. */
async function inEveryStatus(at: Place, { team, owner }: Caller): Promise<string[]> {
  const store = await openAt(at, true);
  const given = { team, owner, scope: null, tool: 'elsewhere' };
  const ids: string[] = [];
  for (const end of ['queued', 'failed', 'waiting', 'running']) {
    const { id } = await store.insert(aJob(given), 0);
    ids.push(id);
    const [job] = (await claim(store, { tools: ['elsewhere'] })).jobs;
    if (!job) throw new Error('nothing was claimed');
    const held = { id, lease: job.lease ?? '', runs: job.runs };
    await store.progress(held, { done: 4, total: 10, message: 'half of it' });
    if (end === 'failed') await store.apply(id, fail(job, new JobError('EFFECT_REFUSED')));
    if (end === 'waiting') await store.apply(id, ask(job, { size: 'How large?' }, 1e9));
    if (end === 'queued') await store.apply(id, { ...handBack(job), delayMs: 1e9 });
  }
  await store.close();
  return ids;
}

const FILES = ['jobs.db', 'jobs.db-wal', 'key'];

function copyOf({ at }: Base, folder: string): string {
  mkdirSync(folder);
  for (const name of FILES)
    if (existsSync(join(at.folder, name))) copyFileSync(join(at.folder, name), join(folder, name));
  return join(folder, 'jobs.db');
}

const isCut = (i: number): boolean => i % 7 === 6;

/** Spoil one thing of a copy: every seventh is cut, in the others a bit is the other way round. */
function spoil(path: string, i: number, random: Seeded): void {
  const files = [path, `${path}-wal`].map((name) => ({ name, bytes: readFileSync(name) }));
  const { name, bytes } = files[i % 2] ?? { name: path, bytes: Buffer.alloc(0) };
  let at = random.below(bytes.length);
  // Most of what is zero is nobody's.
  while (!isCut(i) && bytes[at] === 0) at = random.below(bytes.length);
  if (isCut(i)) return truncateSync(name, at);
  bytes[at] = (bytes[at] ?? 0) ^ (1 << random.below(8));
  writeFileSync(name, bytes);
}

async function served(t: Ending, options: SpoiledOptions, found: Map<string, Spoiled>) {
  const script = startScript(t, NODE, options);
  const late = setTimeout(() => script.kill('SIGKILL'), options.paths.length * COPY_MS);
  const ended = await script.ended;
  clearTimeout(late);
  for (const line of script.lines)
    if (line['event'] === 'looked') found.set(String(line['path']), line as unknown as Spoiled);
  if (ended === 0) return;
  const last = String(script.lines.findLast(({ event }) => event === 'begins')?.['path']);
  const wrong = [`the process ended with ${ended}: ${script.stderr().slice(-500)}`];
  found.set(last, { path: last, rows: '', named: [], told: {}, wrong, failed: [] });
}

async function spoiled(run: FaultRun): Promise<Outcome> {
  const sound = await base(run.t);
  const folder = join(sound.at.folder, 'copies');
  mkdirSync(folder);
  const unspoiled = copyOf(sound, join(folder, 'sound'));
  const paths = Array.from({ length: run.count }, (_, i) => {
    const path = copyOf(sound, join(folder, String(i)));
    spoil(path, i, new Seeded(run.seed + i));
    return path;
  });
  const found = new Map<string, Spoiled>();
  const all = [unspoiled, ...paths];
  await inLanes(LANES, Math.ceil(all.length / TOGETHER), async (i) => {
    const some = all.slice(i * TOGETHER, (i + 1) * TOGETHER);
    // What a crash left over is served by another process.
    for (let left = some; left.length > 0; left = left.filter((path) => !found.has(path)))
      await withEnding((t) => served(t, { ...sound.options, paths: left }, found));
  });
  return summed(run, paths, { found, unspoiled: found.get(unspoiled) });
}

interface Found {
  readonly found: ReadonlyMap<string, Spoiled>;
  readonly unspoiled: Spoiled | undefined;
}

function summed(run: FaultRun, paths: readonly string[], { found, unspoiled }: Found): Outcome {
  const violations = [...(unspoiled?.wrong ?? ['the sound copy was not served'])];
  if (unspoiled && unspoiled.named.length > 0)
    violations.push(`the sound copy is said to be spoiled: ${unspoiled.named[0]}`);
  const counted: Record<string, number> = {};
  const count = (what: string) => (counted[what] = (counted[what] ?? 0) + 1);
  for (const [i, path] of paths.entries()) {
    const one = found.get(path);
    if (!one || !unspoiled) {
      violations.push(`${i}: was not served`);
      continue;
    }
    const isNamed = one.named.length > 0;
    const wrong = isNamed ? one.wrong : [...one.wrong, ...one.failed];
    violations.push(...wrong.map((what) => `${run.seed} +${i}: ${what}`));
    if (isNamed && one.failed.length > 0) count('not all worked, and it is named');
    count(isCut(i) ? 'cuts' : 'flips');
    if (one.rows === unspoiled.rows || isCut(i)) continue;
    const where = i % 2 === 0 ? 'the file' : 'the log';
    count(`flips in ${where} that change rows`);
    if (isNamed) count(`flips in ${where} that change rows, named`);
    const changed = Object.entries(unspoiled.told).some(([job, text]) => {
      const now = resultIn(one.told[job] ?? '');
      return now !== null && resultIn(text) !== null && now !== resultIn(text);
    });
    if (changed && !isNamed) count('results changed and shown');
  }
  return { runs: run.count, counted, violations };
}

const resultIn = (told: string): string | null => /"result":{.*?},"error"/.exec(told)?.[0] ?? null;

export const SPOILED: Readonly<Record<string, Fault>> = {
  F5: {
    title: 'a bit of the file or of its log is the other way round, or the end is cut off',
    bar: '0 hangs, 0 crashes without a message, 0 answers to another team, no internal error and other jobs go on where nobody names the damage; how many flips in live rows the start or doctor names is counted',
    engines: ['sqlite'],
    full: 1_200,
    quick: 24,
    piece: 120,
    run: spoiled,
  },
};
