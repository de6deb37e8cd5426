/** Worker processes whose server was killed, and workers that sleep past their lease. */
import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { monotonic } from '../../src/job/clock.ts';
import { isAlive, startScript } from '../support/child.ts';
import { marksIn } from '../support/jobs.ts';
import { tempFolder } from '../support/temp.ts';
import { until } from '../support/until.ts';
import { startWorks } from '../worker/works.ts';
import { acknowledged, assertNothingLost, lookInto } from './count.ts';
import type { EngineOptions } from './engine.ts';

const ENGINE = new URL('./engine.ts', import.meta.url);
/** The promise is one second; a busy machine gets half of one more. */
const GONE_MS = 1_500;

describe('orphans', { concurrency: 2 }, () => {
  for (const tool of ['gated', 'stubborn']) {
    const how = tool === 'stubborn' ? 'a handler that blocks the loop' : 'a handler that waits';
    test(`a worker with ${how} is gone within a second of its server`, async (t) => {
      const folder = tempFolder(t);
      const script = startScript(t, ENGINE, { folder, workers: 2 } satisfies EngineOptions);
      script.send({ submit: tool, key: 'a' });
      script.send({ submit: tool, key: 'b' });
      await until('both run', () => marksIn(folder).length === 2);
      const pids = marksIn(folder).map(({ pid }) => pid);
      script.kill('SIGKILL');
      await script.ended;
      const killedAt = monotonic();
      await until('both are gone', () => !pids.some(isAlive), { ms: 5_000 });
      assert.ok(monotonic() - killedAt <= GONE_MS, `${monotonic() - killedAt} ms`);
    });
  }

  test('a worker that is just starting is gone as well', async (t) => {
    for (const waitMs of [0, 20, 60, 120]) {
      const folder = tempFolder(t);
      const script = startScript(t, ENGINE, { folder, workers: 2 } satisfies EngineOptions);
      const { pids } = (await script.said('open')) as unknown as { pids: number[] };
      assert.equal(pids.length, 2);
      t.after(() => {
        for (const pid of pids.filter(isAlive)) process.kill(pid, 'SIGKILL');
      });
      await new Promise((resolve) => setTimeout(resolve, waitMs));
      script.kill('SIGKILL');
      await until('both are gone', () => !pids.some(isAlive), { ms: 4_000 });
    }
  });
});

describe('zombies', { concurrency: 2 }, () => {
  test('a worker that sleeps past its lease is told to stop when it wakes', async (t) => {
    const works = await startWorks(t, { workers: 2, leaseMs: 400 });
    const id = await works.submit('gated', 'told');
    const { pid } = await works.marked('began', 'told');
    process.kill(pid, 'SIGSTOP');
    const heir = await until('another has taken over', () =>
      works.marks('told').find((mark) => mark.pid !== pid),
    );
    process.kill(pid, 'SIGCONT');
    const stopped = await works.marked('stopped', 'told', 5_000);
    assert.equal(stopped.pid, pid);
    writeFileSync(join(works.folder, 'told'), '');
    const job = await works.ended(id);
    assert.deepEqual([job.status, job.attempts, job.runs], ['completed', 0, 2]);
    assert.notEqual(heir.pid, pid);
  });

  test('what a worker that slept past its lease brings is refused, effects and all', async (t) => {
    const works = await startWorks(t, { workers: 2, leaseMs: 400 });
    const id = await works.submit('gated', 'late');
    const { pid } = await works.marked('began', 'late');
    process.kill(pid, 'SIGSTOP');
    await until('another has taken over', () => works.marks('late').some((m) => m.pid !== pid));
    writeFileSync(join(works.folder, 'late'), '');
    const job = await works.ended(id);
    process.kill(pid, 'SIGCONT');
    await until('the sleeper has woken', () =>
      [...works.marks('late', 'ended'), ...works.marks('late', 'stopped')].some(
        (m) => m.pid === pid,
      ),
    );
    assert.equal((await works.ended(await works.submit('quick'))).status, 'completed');
    assert.deepEqual(await works.get(id), job);
    await assertNothingLost(works.store, [id]);
  });

  test('a sleeper that ends its run while its heir is still at it is refused', async (t) => {
    const works = await startWorks(t, { workers: 2, leaseMs: 400 });
    const id = await works.submit('gated', 'race');
    const { pid } = await works.marked('began', 'race');
    process.kill(pid, 'SIGSTOP');
    const heir = await until('another has taken over', () =>
      works.marks('race').find((mark) => mark.pid !== pid),
    );
    process.kill(heir.pid, 'SIGSTOP');
    writeFileSync(join(works.folder, 'race'), '');
    process.kill(pid, 'SIGCONT');
    const isDropped = () =>
      works.log.some(({ message, fields }) => /moved on/.test(message) && fields['pid'] === pid);
    const isStopped = () => works.marks('race', 'stopped').some((mark) => mark.pid === pid);
    await until('the sleeper is refused', () => isDropped() || isStopped(), { ms: 5_000 });
    process.kill(heir.pid, 'SIGCONT');
    assert.equal((await works.ended(id)).attempts, 0);
    await assertNothingLost(works.store, [id]);
  });

  test('a process with a store of its own that slept past its lease is refused as well', async (t) => {
    const folder = tempFolder(t);
    const server = startScript(t, ENGINE, { folder, workers: 0 } satisfies EngineOptions);
    await server.said('open');
    const options: EngineOptions = { folder, workers: 0, isGuest: true, leaseMs: 400 };
    const sleeper = startScript(t, ENGINE, options);
    await sleeper.said('open');
    server.send({ submit: 'gated', key: 'gate' });
    await until('the guest has begun', () =>
      marksIn(folder).some(({ pid }) => pid === sleeper.pid),
    );
    sleeper.kill('SIGSTOP');
    const heir = startScript(t, ENGINE, options);
    await until('the heir has begun', () => marksIn(folder).some(({ pid }) => pid === heir.pid));
    writeFileSync(join(folder, 'gate'), '');
    const store = await lookInto(t, folder);
    const [job] = await assertNothingLost(store, acknowledged([server]));
    sleeper.kill('SIGCONT');
    await until('the sleeper has woken', () =>
      marksIn(folder).some(({ what, pid }) => what !== 'began' && pid === sleeper.pid),
    );
    sleeper.send({ stop: 1_000 });
    assert.equal(await sleeper.ended, 0);
    assert.deepEqual(await assertNothingLost(store, acknowledged([server])), [job]);
  });
});

describe('guests', () => {
  test('an idle worker of another process begins within milliseconds of a submission', async (t) => {
    const folder = tempFolder(t);
    const server = startScript(t, ENGINE, { folder, workers: 0 } satisfies EngineOptions);
    await server.said('open');
    const guest = startScript(t, ENGINE, {
      folder,
      workers: 0,
      isGuest: true,
    } satisfies EngineOptions);
    await guest.said('open');
    // The first claim and the safety poll aside, only the change of the file can wake it this fast.
    const times: number[] = [];
    for (let i = 0; i < 9; i += 1) {
      await new Promise((resolve) => setTimeout(resolve, 70));
      const key = `k${i}`;
      const startedAt = monotonic();
      server.send({ submit: 'quick', key });
      await until('it has begun', () => marksIn(folder).some((mark) => mark.key === key), {
        everyMs: 1,
      });
      times.push(monotonic() - startedAt);
    }
    t.diagnostic(`${times.join(', ')} ms`);
    const median = times.toSorted((a, b) => a - b)[4] ?? Infinity;
    assert.ok(median < 200, `${times.join(', ')} ms`);
  });
});
