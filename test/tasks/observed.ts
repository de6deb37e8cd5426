/** One job, seen through every surface at once. */
import assert from 'node:assert/strict';
import type { Store } from '../../src/store/store.ts';
import { until } from '../support/until.ts';
import { openStream } from './streams.ts';
import { modern, old, plain, type Reply } from './wire.ts';

const WHO = { team: 'anna', owner: 'anna', abilities: ['*'] };

interface Seen {
  readonly plain: string;
  readonly modern: string;
  readonly old: string;
  readonly outcome: string;
}

/** Section 3 of the design, as one table: what the surfaces may show together. */
const TOGETHER: readonly Seen[] = [
  { plain: 'queued', modern: 'working', old: 'working', outcome: '' },
  { plain: 'running', modern: 'working', old: 'working', outcome: '' },
  { plain: 'running', modern: 'input_required', old: 'input_required', outcome: '' },
  { plain: 'completed', modern: 'completed', old: 'completed', outcome: 'result' },
  { plain: 'failed', modern: 'completed', old: 'completed', outcome: 'OUT_OF_PAPER' },
  { plain: 'failed', modern: 'failed', old: 'failed', outcome: 'ATTEMPTS_EXHAUSTED' },
  { plain: 'failed', modern: 'failed', old: 'failed', outcome: 'INPUT_TIMEOUT' },
  { plain: 'failed', modern: 'failed', old: 'failed', outcome: 'TOOL_UNAVAILABLE' },
  { plain: 'failed', modern: 'cancelled', old: 'cancelled', outcome: 'JOB_CANCELLED' },
];
const RANK = ['queued', 'running', 'completed', 'failed'];

/** What a look at all surfaces gave. */
// Everything is asserted on, field by field.
// oxlint-disable-next-line typescript/no-explicit-any
type Looks = Readonly<Record<'view' | 'row' | 'task' | 'before' | 'listed', any>>;

async function look(url: string, id: string): Promise<Looks> {
  const [{ data: view }, { result: task }, { result: before }, { data: rows }, { result: list }] =
    await Promise.all([
      plain(url, 'get_job_status', { job_id: id }),
      modern(url, 'tasks/get', { taskId: id }),
      old(url, 'tasks/get', { taskId: id }),
      plain(url, 'list_jobs', {}),
      old(url, 'tasks/list', {}),
    ]);
  const row = rows.find((one: { job_id: string }) => one.job_id === id);
  const listed = list.tasks.find((one: { taskId: string }) => one.taskId === id);
  return { view, task, before, row, listed };
}

/** What the surfaces say of the same facts. */
function agree({ view, row, task, before, listed }: Looks): Seen {
  const { _meta: progress, ...listable } = before;
  assert.deepEqual(listed, listable);
  assert.deepEqual(task._meta?.['mcp-async-jobs/progress'], progress?.['mcp-async-jobs/progress']);
  assert.equal(row.status, view.status);
  for (const name of ['createdAt', 'lastUpdatedAt', 'statusMessage', 'taskId']) {
    assert.equal(task[name], before[name], name);
  }
  assert.equal(task.createdAt, view.enqueued_at);
  assert.equal(task.status === 'input_required', view.input_requests !== undefined);
  const asked = Object.entries<{ params: { message: string } }>(task.inputRequests ?? {});
  assert.deepEqual(
    asked.map(([key, { params }]) => [key, params.message]),
    Object.entries<{ message: string }>(view.input_requests ?? {}).map(([key, question]) => [
      key,
      question.message,
    ]),
  );
  const isFinal = view.completed_at !== null;
  assert.equal(task.ttlMs === null, !isFinal);
  assert.equal(before.ttl, task.ttlMs);
  assert.equal(task.pollIntervalMs, before.pollInterval);
  assert.equal(task.pollIntervalMs === undefined, isFinal);
  if (isFinal) assert.equal(task.lastUpdatedAt, view.completed_at);
  const inTask = task.result?.structuredContent?.error ?? task.error?.data?.error;
  if (task.status !== 'cancelled') assert.deepEqual(inTask ?? null, view.error);
  assert.equal(task.result?.isError ?? false, task.status === 'completed' && view.error !== null);
  if (view.result !== null) {
    assert.deepEqual(task.result.structuredContent, { data: view.result });
  }
  return {
    plain: view.status,
    modern: task.status,
    old: before.status,
    outcome: view.error?.code ?? (view.result === null ? '' : 'result'),
  };
}

/** What a listener must have been told of a task; that it was touched is told with what changed. */
function told({ params }: Pick<Reply, 'params'>): object {
  const { status, lastUpdatedAt, inputRequests = {}, result, error, ttlMs } = params;
  const endedAt = ttlMs === null ? null : lastUpdatedAt;
  return { status, endedAt, inputRequests, result, error, ttlMs };
}

export interface Observer {
  /** Look through every surface: they agree with each other and with everything seen before. */
  observe(after: string): Promise<void>;
  /** The job is final: who waits and who listens has the same end, which is given back. */
  ended(): Promise<string>;
  close(): Promise<void>;
}

/** @param id of a job of anna's */
export async function observer(url: string, store: Store, id: string): Promise<Observer> {
  const stream = await openStream(url, { taskIds: [id] });
  const waiting = old(url, 'tasks/result', { taskId: id });
  // Looked at when the job is final; a history that fails before closes the server on it.
  waiting.catch(() => {});
  let last: { readonly seen: Seen; readonly looks: Looks } | null = null;

  /** A look during which nothing has changed. */
  const steady = async (): Promise<Looks> =>
    until('nothing changes while everything is looked at', async () => {
      const before = JSON.stringify(await store.get(id, WHO));
      const looks = await look(url, id);
      return JSON.stringify(await store.get(id, WHO)) === before && looks;
    });
  const heard = async ({ task }: Looks): Promise<void> => {
    const expected = JSON.stringify(told({ params: task }));
    await until(`the listener hears ${expected}`, () =>
      stream.frames.some(
        ({ params }) => params?.taskId && JSON.stringify(told({ params })) === expected,
      ),
    );
  };
  return {
    async observe(after) {
      const looks = await steady();
      const seen = agree(looks);
      const isRight = TOGETHER.some((row) => JSON.stringify(row) === JSON.stringify(seen));
      assert.ok(isRight, `after ${after}: ${JSON.stringify(seen)}`);
      if (last !== null) {
        assert.ok(RANK.indexOf(seen.plain) >= RANK.indexOf(last.seen.plain), 'backwards');
        for (const name of ['runs', 'attempts']) {
          assert.ok(looks.view[name] >= last.looks.view[name], `${name} goes backwards`);
        }
        assert.ok(looks.task.lastUpdatedAt >= last.looks.task.lastUpdatedAt, 'time goes backwards');
        if (last.seen.outcome !== '')
          assert.deepEqual(looks, last.looks, 'a final job has changed');
      }
      last = { seen, looks };
      await heard(looks);
    },
    async ended() {
      assert.ok(last);
      const { task, view } = last.looks;
      const { result, error } = await waiting;
      assert.deepEqual(result?.structuredContent, task.result?.structuredContent);
      assert.equal(result?.isError, task.result?.isError);
      assert.deepEqual(
        error?.data,
        view.error === null || result ? undefined : { error: view.error },
      );
      await until('the stream has ended', stream.isEnded);
      const [, ...frames] = stream.frames;
      assert.equal(frames.pop().result.resultType, 'complete');
      const statuses = frames.map(({ params }) => params.status);
      assert.equal(statuses.at(-1), task.status);
      const open = statuses.slice(0, -1);
      assert.ok(
        open.every((status) => ['working', 'input_required'].includes(status)),
        open.join(),
      );
      const times = frames.map(({ params }) => params.lastUpdatedAt as string);
      assert.deepEqual(times, times.toSorted());
      const uri = `mcp-async-jobs://jobs/${id}/result`;
      const { contents } = (await modern(url, 'resources/read', { uri })).result;
      const { data, error: failure } = JSON.parse(contents[0].text);
      assert.deepEqual([data ?? null, failure ?? null], [view.result, view.error]);
      return last.seen.outcome;
    },
    close: () => stream.close(),
  };
}
