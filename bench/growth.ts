/**
 * What the calls of a job cost beside 100,000 queued and 1,000,000 finished jobs, against a store
 * that holds 1,000 of the same mix, so that polls and lists have something to show there too.
 */
import type { Store } from '../src/store/store.ts';
import { complete } from '../src/job/transitions.ts';
import { openAt, withPlace } from './engine.ts';
import { fill, type Rows } from './fill.ts';
import { atMost, type Bench, type Finding } from './finding.ts';
import { newJob, WHO } from './new-job.ts';
import { alternate, both, median, ratio, short, timed } from './statistics.ts';

const TOOL = 'trivial';
const POLLED = 1_000;
const EMPTY: Rows = { tool: TOOL, queued: 91, finished: 909 };
const FULL: Rows = { tool: TOOL, queued: 100_000, finished: 1_000_000 };
const QUICK: Rows = { tool: TOOL, queued: 10_000, finished: 100_000 };

type Figures = Record<'submit' | 'claim' | 'poll' | 'list', number>;

export const growth: Bench = async ({ engine, pairs, quick }) =>
  withPlace(engine, async (place) => {
    const many = quick ? QUICK : FULL;
    const full = await filled(await place.address('many'), many);
    const empty = await filled(await place.address('few'), EMPTY);
    const rounds = quick ? 50 : 300;
    const found = await alternate(
      pairs,
      async () => figures(full, rounds),
      async () => figures(empty, rounds),
    );
    await full.close();
    await empty.close();
    return (['submit', 'claim', 'poll', 'list'] as const).map((verb): Finding => {
      const figure = (of: Figures) => of[verb];
      const what = `${verb}, ${short(many.queued + many.finished)} rows : 1,000, p50`;
      const measured = ratio(found, figure);
      const detail = both(found, figure, 'ms');
      return { bench: 'growth', what, measured, unit: 'x', bar: atMost(1.2), detail };
    });
  });

async function filled(address: string, rows: Rows): Promise<Store> {
  await fill(address, rows);
  return openAt(address);
}

/** Median milliseconds of each call. As many jobs end as are submitted. */
async function figures(store: Store, rounds: number): Promise<Figures> {
  const times: Record<keyof Figures, number[]> = { submit: [], claim: [], poll: [], list: [] };
  const note = async (verb: keyof Figures, work: () => Promise<unknown>) =>
    times[verb].push(await timed(work));
  const request = { worker: 'wrk_bench', tools: [TOOL], limit: 1, leaseMs: 20_000, idle: true };
  for (let i = 0; i < rounds; i += 1) {
    await note('submit', async () => store.insert(newJob(TOOL), 0));
    await note('claim', async () => {
      const { jobs } = await store.claim(request);
      for (const job of jobs) claimed.push(job);
    });
    for (const job of claimed.splice(0)) await store.apply(job.id, complete(job, '{"n":1}', []));
  }
  const ids = await newest(store);
  for (const id of ids) await note('poll', async () => store.get(id, WHO));
  const query = { who: WHO, status: null, tool: null, before: null, limit: 26 };
  for (let i = 0; i < rounds; i += 1) await note('list', async () => store.list(query));
  return {
    submit: median(times.submit),
    claim: median(times.claim),
    poll: median(times.poll),
    list: median(times.list),
  };
}

const claimed: Awaited<ReturnType<Store['claim']>>['jobs'][number][] = [];

async function newest(store: Store): Promise<readonly string[]> {
  const ids: string[] = [];
  const query = { who: WHO, status: null, tool: null, limit: 100 };
  while (ids.length < POLLED) {
    const last = ids.at(-1);
    const before = last === undefined ? null : { createdAt: 0, id: last };
    const page = await store.list({ ...query, before });
    if (page.length === 0) break;
    ids.push(...page.map(({ id }) => id));
  }
  return ids;
}
