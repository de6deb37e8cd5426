/** Worker processes that block, exit, are killed or must stop. */
import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { setTimeout as pause } from 'node:timers/promises';
import { monotonic } from '../../src/job/clock.ts';
import { cancel } from '../../src/job/transitions.ts';
import { GRACE_MS } from '../../src/worker/guardian-thread.ts';
import { who } from '../support/a-job.ts';
import { isAlive } from '../support/child.ts';
import { until } from '../support/until.ts';
import { startWorks } from './works.ts';

describe('worker processes', { concurrency: 6 }, () => {
  test('a handler that ends its process costs one attempt each time', async (t) => {
    const works = await startWorks(t);
    const job = await works.ended(await works.submit('exiting', 'bad'));
    assert.deepEqual(
      [job.status, job.error?.code, job.attempts],
      ['failed', 'ATTEMPTS_EXHAUSTED', 2],
    );
    assert.equal(new Set(works.marks('bad').map(({ pid }) => pid)).size, 2);
    assert.equal((await works.ended(await works.submit('quick'))).status, 'completed');
  });

  test('a worker that jobs end again and again is started again without a growing pause', async (t) => {
    const works = await startWorks(t);
    const ids = await Promise.all(['bad', 'bad'].map((key) => works.submit('exiting', key)));
    for (const id of ids) assert.equal((await works.ended(id, 30_000)).status, 'failed');
    const pauses = () =>
      works.log.flatMap(({ fields }) => (fields['delayMs'] as number | undefined) ?? []);
    // The job has ended a moment before its worker is started again.
    await until('the last one is started again', () => pauses().length === 4);
    assert.deepEqual(pauses(), [50, 50, 50, 50]);
  });

  test('after an unexplained death the runs of the process are run alone until one is to blame', async (t) => {
    const works = await startWorks(t, { concurrency: 3 });
    const keys = ['good1', 'bad', 'good2', 'good3', 'good4'];
    const ids = await Promise.all(keys.map((key) => works.submit('exiting', key)));
    for (const [index, id] of ids.entries()) {
      const job = await works.ended(id, 20_000);
      const isBad = keys[index] === 'bad';
      assert.equal(job.status, isBad ? 'failed' : 'completed', keys[index]);
      assert.equal(job.attempts, isBad ? 2 : 0, `${keys[index]} paid for another`);
    }
  });

  test('a job that must run alone has no company while it runs', async (t) => {
    const works = await startWorks(t, { concurrency: 3 });
    const suspect = await works.submit('gated', 'suspect');
    const other = await works.submit('gated', 'other');
    const { pid } = await works.marked('began', 'suspect');
    await works.marked('began', 'other');
    process.kill(pid, 'SIGKILL');
    await until('one of them is run again', () =>
      ['suspect', 'other'].some((key) => works.marks(key).length === 2),
    );
    const fresh = await works.submit('gated', 'fresh');
    const first = works.marks('suspect').length === 2 ? 'suspect' : 'other';
    const second = first === 'suspect' ? 'other' : 'suspect';
    await new Promise((resolve) => setTimeout(resolve, 300));
    assert.deepEqual([works.marks(second).length, works.marks('fresh').length], [1, 0]);
    writeFileSync(join(works.folder, first), '');
    await until('the other is run again', () => works.marks(second).length === 2);
    await new Promise((resolve) => setTimeout(resolve, 300));
    assert.equal(works.marks('fresh').length, 0, 'the second suspect had company');
    for (const key of [second, 'fresh']) writeFileSync(join(works.folder, key), '');
    for (const id of [suspect, other, fresh]) {
      const job = await works.ended(id);
      assert.deepEqual([job.status, job.attempts], ['completed', 0]);
    }
  });

  test('a handler that blocks past its deadline is ended with its process, company goes free', async (t) => {
    const works = await startWorks(t, { concurrency: 2 });
    const company = await works.submit('gated', 'company');
    const { pid } = await works.marked('began', 'company');
    const startedAt = monotonic();
    const job = await works.ended(await works.submit('blocking', 'blocks'));
    assert.deepEqual([job.error?.code, job.attempts], ['DEADLINE_EXCEEDED', 1]);
    const tookMs = monotonic() - startedAt;
    assert.ok(tookMs > 5_000 && tookMs < 8_000, `${tookMs} ms`);
    assert.equal(isAlive(pid), false);
    writeFileSync(join(works.folder, 'company'), '');
    const free = await works.ended(company);
    assert.deepEqual([free.status, free.attempts, free.runs], ['completed', 0, 2]);
  });

  test('a handler that hears nothing ends its job in time, later its process, company goes free', async (t) => {
    const works = await startWorks(t, { concurrency: 2 });
    const company = await works.submit('gated', 'company');
    const { pid } = await works.marked('began', 'company');
    const startedAt = monotonic();
    const job = await works.ended(await works.submit('deaf', 'deaf'));
    assert.deepEqual([job.error?.code, job.attempts], ['DEADLINE_EXCEEDED', 1]);
    assert.ok(monotonic() - startedAt < 3_000);
    await until('the process has been ended', () => !isAlive(pid), { ms: 8_000 });
    writeFileSync(join(works.folder, 'company'), '');
    const free = await works.ended(company);
    assert.deepEqual([free.status, free.attempts], ['completed', 0]);
  });

  test('cancelling a job whose handler blocks ends the process', async (t) => {
    const works = await startWorks(t);
    const id = await works.submit('stubborn', 'stubborn');
    const { pid } = await works.marked('began', 'stubborn');
    await works.store.applyAs(id, who(), cancel('req_c'));
    assert.equal((await works.get(id)).status, 'cancelled');
    await until('the process has been ended', () => !isAlive(pid), { ms: 9_000 });
    assert.equal((await works.ended(await works.submit('quick'))).status, 'completed');
  });

  test('cancelling a job whose result is being checked spares the process once the check ends', async (t) => {
    const works = await startWorks(t, { concurrency: 2 });
    const company = await works.submit('gated', 'company');
    const { pid } = await works.marked('began', 'company');
    const id = await works.submit('examined', 'examined');
    await works.marked('began', 'examined');
    await works.store.applyAs(id, who(), cancel('req_c'));
    await until('its run was told', () =>
      works.log.some(({ message, fields }) => message === 'run ended' && fields['job_id'] === id),
    );
    writeFileSync(join(works.folder, 'examined'), '');
    await pause(GRACE_MS + 1_000);
    assert.equal(isAlive(pid), true);
    writeFileSync(join(works.folder, 'company'), '');
    const free = await works.ended(company);
    assert.deepEqual([free.status, free.runs], ['completed', 1]);
  });

  test('a check of a result that never ends is ended in time, like its handler', async (t) => {
    const works = await startWorks(t);
    const job = await works.ended(await works.submit('endless'), 4_000);
    assert.deepEqual([job.error?.code, job.attempts], ['DEADLINE_EXCEEDED', 1]);
  });

  test('stopping lets a run finish within the grace', async (t) => {
    const works = await startWorks(t);
    const id = await works.submit('gated', 'finishes');
    await works.marked('began', 'finishes');
    const waiting = await works.submit('quick', 'waits');
    const stopping = works.workers.stop(5_000);
    setTimeout(() => writeFileSync(join(works.folder, 'finishes'), ''), 100);
    await stopping;
    assert.deepEqual(works.workers.pids(), []);
    assert.equal((await works.get(id)).status, 'completed');
    assert.equal((await works.get(waiting)).status, 'queued', 'nothing new was begun');
  });

  test('stopping hands back what does not finish, at no attempt, in bounded time', async (t) => {
    const works = await startWorks(t, { workers: 2 });
    const listening = await works.submit('gated', 'listening');
    const blocked = await works.submit('stubborn', 'blocked');
    await works.marked('began', 'listening');
    await works.marked('began', 'blocked');
    const startedAt = monotonic();
    await works.workers.stop(300);
    assert.ok(monotonic() - startedAt < 5_000);
    for (const id of [listening, blocked]) {
      const { status, attempts, lease } = await works.get(id);
      assert.deepEqual([status, attempts, lease], ['queued', 0, null]);
    }
  });

  test('a killed idle worker is replaced', async (t) => {
    const works = await startWorks(t);
    const [pid] = await until(
      'a worker is ready',
      () => works.workers.alive() && works.workers.pids(),
    );
    process.kill(pid ?? 0, 'SIGKILL');
    assert.equal((await works.ended(await works.submit('quick'))).status, 'completed');
  });

  test('a worker that is killed at its only job costs that job one attempt', async (t) => {
    const works = await startWorks(t);
    const id = await works.submit('gated', 'killed');
    process.kill((await works.marked('began', 'killed')).pid, 'SIGKILL');
    await until('it is run again', () => works.marks('killed').length === 2);
    writeFileSync(join(works.folder, 'killed'), '');
    const job = await works.ended(id);
    assert.deepEqual([job.status, job.attempts, job.runs], ['completed', 1, 2]);
  });

  test('a job that was claimed for a worker that had died meanwhile is handed back at once, for free', async (t) => {
    const gate = Promise.withResolvers<void>();
    let claims = 0;
    const works = await startWorks(t, {
      around: (store) =>
        new Proxy(store, {
          get(target, name) {
            const member: unknown = Reflect.get(target, name);
            if (typeof member !== 'function') return member;
            if (name !== 'claim') return member.bind(target) as unknown;
            return async (request: Parameters<typeof store.claim>[0]) => {
              claims += 1;
              if (claims === 1) await gate.promise;
              return target.claim(request);
            };
          },
        }),
    });
    await until('the worker asks for jobs', () => claims === 1);
    const [pid = 0] = works.workers.pids();
    const id = await works.submit('quick', 'late');
    process.kill(pid, 'SIGKILL');
    await until('it has died', () => !isAlive(pid));
    await new Promise((resolve) => setTimeout(resolve, 200));
    gate.resolve();
    // Its lease would have lasted for longer.
    const job = await works.ended(id, 10_000);
    assert.deepEqual([job.status, job.attempts], ['completed', 0]);
  });

  test('a worker that ends without ever having had a job is started again after growing pauses', async (t) => {
    const works = await startWorks(t, {
      jobs: new URL('data:text/javascript,process.exit(1)'),
    });
    const pauses = () =>
      works.log.flatMap(({ fields }) => (fields['delayMs'] as number | undefined) ?? []);
    await until('it was started again three times', () => pauses().length >= 3);
    assert.deepEqual(pauses().slice(0, 3), [50, 100, 200]);
  });

  test('a jobs module that cannot be loaded is logged, tried again, and stops cleanly', async (t) => {
    const works = await startWorks(t, {
      jobs: new URL('data:text/javascript,throw new Error("no")'),
    });
    await until(
      'it was said twice',
      () => works.log.filter(({ message }) => message.includes('could not load')).length >= 2,
    );
    assert.equal(works.workers.alive(), 0);
  });

  test('handlers that block past their lease lose it, and the effects are written once', async (t) => {
    const works = await startWorks(t, { workers: 2, leaseMs: 300 });
    const id = await works.submit('drowsy', 'drowsy');
    const job = await works.ended(id);
    assert.equal(job.status, 'completed');
    assert.ok(works.marks('drowsy').length >= 1);
  });
});
