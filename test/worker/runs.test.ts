/** How runs end, in real worker processes. */
import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { cancel } from '../../src/job/transitions.ts';
import { countPieces } from '../support/jobs.ts';
import { who } from '../support/a-job.ts';
import { until } from '../support/until.ts';
import { startWorks, type Works } from './works.ts';

describe('runs in a supervised worker', { concurrency: 4 }, () => {
  const endings: (() => Promise<void> | void)[] = [];
  let works: Works;

  before(async () => {
    works = await startWorks(
      { after: (work) => endings.unshift(work) },
      { workers: 2, concurrency: 4 },
    );
  });
  after(async () => {
    for (const end of endings) await end();
  });

  const piecesOf = async (id: string) =>
    (await works.store.read(countPieces, {})).find(({ job }) => job === id)?.pieces ?? 0;

  test('a job is run apart from the server, and its effects are there with its result', async () => {
    const id = await works.submit('quick', 'apart');
    const job = await works.ended(id);
    assert.deepEqual(JSON.parse(job.result ?? ''), { key: 'apart', attempt: 1 });
    assert.deepEqual(
      [job.status, job.runs, job.attempts, await piecesOf(id)],
      ['completed', 1, 0, 3],
    );
    assert.notEqual(works.marks('apart')[0]?.pid, process.pid);
  });

  test('a worker runs as many handlers at once as it may', async () => {
    const keys = ['c1', 'c2', 'c3', 'c4', 'c5'];
    const ids = await Promise.all(keys.map((key) => works.submit('gated', key)));
    for (const key of keys) await works.marked('began', key);
    for (const key of keys) writeFileSync(join(works.folder, key), '');
    for (const id of ids) assert.equal((await works.ended(id)).status, 'completed');
  });

  test('a handler that throws is run again after a rest, until it succeeds', async () => {
    const id = await works.submit('flaky', 'flaky');
    const job = await works.ended(id);
    assert.deepEqual([job.status, job.attempts, job.runs], ['completed', 2, 3]);
    assert.deepEqual(
      works.marks('flaky').map(({ attempt }) => attempt),
      [1, 2, 3],
    );
  });

  test('a handler that always throws ends its job when the attempts are spent, telling no secret', async () => {
    const job = await works.ended(await works.submit('broken', 'broken'));
    assert.deepEqual(
      [job.status, job.error?.code, job.attempts],
      ['failed', 'ATTEMPTS_EXHAUSTED', 3],
    );
    assert.equal(works.marks('broken').length, 3);
    assert.ok(!JSON.stringify(job).includes('secret'));
  });

  test('a handler that throws what cannot be described costs only its own attempts', async () => {
    const company = await works.submit('gated', 'undisturbed');
    await works.marked('began', 'undisturbed');
    for (const key of ['nothing', 'speechless', 'code']) {
      const job = await works.ended(await works.submit('strange', key));
      assert.deepEqual([job.error?.code, job.attempts], ['ATTEMPTS_EXHAUSTED', 2], key);
    }
    writeFileSync(join(works.folder, 'undisturbed'), '');
    const { status, runs } = await works.ended(company);
    assert.deepEqual([status, runs], ['completed', 1]);
  });

  test('an error that the handler declares ends the job without a retry', async () => {
    const job = await works.ended(await works.submit('refusing', 'refusing'));
    assert.deepEqual(
      [job.status, job.error?.code, job.error?.fault],
      ['failed', 'NO_PAPER', false],
    );
    assert.deepEqual([job.attempts, works.marks('refusing').length], [0, 1]);
  });

  test('a handler that heeds its deadline is retried like any fault', async () => {
    const job = await works.ended(await works.submit('slow', 'slow'));
    assert.deepEqual([job.error?.code, job.attempts], ['DEADLINE_EXCEEDED', 2]);
    assert.equal(works.marks('slow').length, 2);
  });

  test('a result that is not JSON ends the job with the fix in the message', async () => {
    const job = await works.ended(await works.submit('dated'));
    assert.equal(job.error?.code, 'RESULT_INVALID');
    assert.match(job.error.message, /at result\.when: a Date.*Return plain objects/);
    assert.equal(job.runs, 1);
  });

  test('a result that does not fit its schema ends the job', async () => {
    const job = await works.ended(await works.submit('misfit'));
    assert.deepEqual([job.error?.code, job.runs], ['RESULT_INVALID', 1]);
  });

  test('an effect whose expectation is not met ends the job without a retry, nothing written', async () => {
    const id = await works.submit('unmet', 'unmet');
    const job = await works.ended(id);
    assert.deepEqual([job.status, job.error?.code, job.attempts], ['failed', 'EFFECT_REFUSED', 0]);
    assert.deepEqual([works.marks('unmet').length, await piecesOf(id)], [1, 0]);
  });

  test('an effect that fails is a fault, and its job ends in bounded time', async () => {
    for (const tool of ['breaking', 'mistyped']) {
      const job = await works.ended(await works.submit(tool, tool));
      assert.deepEqual(
        [job.status, job.error?.code, job.attempts],
        ['failed', 'ATTEMPTS_EXHAUSTED', 3],
        tool,
      );
    }
  });

  test('an effect that is no data ends the job with the fix in the message', async () => {
    const job = await works.ended(await works.submit('unsendable'));
    assert.equal(job.error?.code, 'RESULT_INVALID');
    assert.match(job.error.message, /"insert_piece" gives :n a function/);
  });

  test('a question and an effect behind proxies are kept as the data that they show', async () => {
    const id = await works.submit('veiled', 'veiled');
    await until('it asks', async () => (await works.get(id)).status === 'waiting');
    assert.equal(JSON.stringify((await works.get(id)).questions).includes('Go on?'), true);
    await works.store.answer(id, who(), { go: { action: 'accept' } });
    assert.equal((await works.ended(id)).status, 'completed');
    assert.equal(await piecesOf(id), 1);
  });

  test('whatever a handler logs reaches the log as JSON, and costs no attempt', async () => {
    const id = await works.submit('gossip');
    const { status, attempts } = await works.ended(id);
    assert.deepEqual([status, attempts], ['completed', 0]);
    const lines = works.log.filter(({ fields }) => fields['job_id'] === id);
    const said = (message: string) => lines.find((line) => line.message === message)?.fields ?? {};
    assert.deepEqual(said('a function')['client'], { url: 'http://localhost/' });
    const { big, when, round } = said('a circle');
    assert.deepEqual([big, when, round], ['10', '1970-01-01T00:00:00.000Z', '[Circular]']);
    const { trap, unseen } = said('a trap');
    assert.deepEqual([trap, unseen], [{ value: '[unreadable]' }, '[unreadable]']);
    const err = said('an error')['err'] as Record<string, unknown>;
    assert.deepEqual([err['name'], err['message']], ['TypeError', 'wrong']);
    assert.match(String(err['stack']), /TypeError: wrong\n +at /);
    assert.equal((err['cause'] as Error).message, 'deeper');
    assert.ok(JSON.stringify(said('a lot')).length < 10_000);
    assert.equal(said('')['value'], '[unreadable]');
    for (const message of ['nothing', 'only words']) {
      assert.equal(said(message)['job_id'], id, message);
    }
  });

  test('input that the schema no longer takes ends the job', async () => {
    const id = await works.submit('quick', 7 as never);
    assert.equal((await works.ended(id)).error?.code, 'VALIDATION_FAILED');
  });

  test('ten thousand words of progress are a few writes, and the last word is kept', async () => {
    const id = await works.submit('chatty');
    const seen = new Set<number>();
    await until('it has ended', async () => {
      const job = await works.get(id);
      if (job.progress) seen.add(job.progress.done);
      return job.status === 'completed';
    });
    const job = await works.get(id);
    const { done, total, message } = job.progress ?? {};
    assert.deepEqual([done, total, message], [10_000, 10_000, 'step 10000']);
    assert.ok(seen.size <= 5, `written ${seen.size} times`);
  });

  test('cancelling stops a handler that listens, and its slot is free', async () => {
    const id = await works.submit('gated', 'cancelled');
    await works.marked('began', 'cancelled');
    await works.store.applyAs(id, who(), cancel('req_c'));
    await works.marked('stopped', 'cancelled', 2_000);
    assert.equal((await works.get(id)).status, 'cancelled');
  });

  test('no log line tells what was submitted', () => {
    assert.ok(works.log.length > 10);
    assert.ok(!JSON.stringify(works.log.map(({ fields }) => fields)).includes('"key"'));
  });
});
