import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ask } from '../../../src/job/transitions.ts';
import { VIEW_ANY } from '../../../src/job/who.ts';
import type { Store } from '../../../src/store/store.ts';
import { aJobThatIs, applied, claim, who } from '../../support/a-job.ts';
import type { OpenStore } from './open.ts';

async function asking(store: Store, scope: string | null = null) {
  const job = await aJobThatIs(store, 'running', { scope });
  return applied(store, job, ask(job, { size: 'How large?', color: 'In color?' }, 60_000));
}

export function questions(open: OpenStore): void {
  test('a job waits until its last question has an answer, and is then due', async (t) => {
    const store = await open(t);
    const { id, tool } = await asking(store);
    await store.answer(id, who(), { size: 'A4' });
    assert.equal((await store.get(id, who()))?.status, 'waiting');
    assert.equal((await claim(store, { tools: [tool] })).jobs.length, 0);
    await store.answer(id, who(), { color: true });
    assert.equal((await store.get(id, who()))?.status, 'queued');
    const [job] = (await claim(store, { tools: [tool] })).jobs;
    assert.deepEqual(job?.answers, { size: 'A4', color: true });
    assert.deepEqual([job.questions, job.attempts], [null, 0]);
  });

  test('an answer stands: a second one and one to no question are ignored', async (t) => {
    const store = await open(t);
    const { id } = await asking(store);
    await store.answer(id, who(), { size: 'A4', other: 1, ['__proto__']: 2 });
    await store.answer(id, who(), { size: 'A5' });
    assert.deepEqual((await store.get(id, who()))?.answers, { size: 'A4' });
  });

  test('answers of an earlier round are kept beside those of a later one', async (t) => {
    const store = await open(t);
    const { id, tool } = await asking(store);
    await store.answer(id, who(), { size: 'A4', color: true });
    const [again] = (await claim(store, { tools: [tool] })).jobs;
    assert.ok(again);
    await applied(store, again, ask(again, { copies: 'How many?' }, 60_000));
    await store.answer(id, who(), { copies: 3 });
    const [last] = (await claim(store, { tools: [tool] })).jobs;
    assert.deepEqual(last?.answers, { size: 'A4', color: true, copies: 3 });
  });

  test('nobody but the owner answers, and only while the job waits', async (t) => {
    const store = await open(t);
    const waiting = await asking(store, 'prj_1');
    for (const stranger of [
      who({ team: 'tem_b' }),
      who({ owner: 'usr_b', abilities: ['*', VIEW_ANY] }),
      who({ scopes: ['prj_2'] }),
    ]) {
      for (const given of [{ size: 1 }, { size: 1, color: 1 }]) {
        assert.deepEqual(await store.answer(waiting.id, stranger, given), { outcome: 'stale' });
      }
    }
    assert.deepEqual(await store.get(waiting.id, who()), waiting);
    for (const status of ['queued', 'running', 'completed', 'cancelled'] as const) {
      const job = await aJobThatIs(store, status);
      assert.equal((await store.answer(job.id, who(), { size: 1 })).outcome, 'stale');
      assert.deepEqual(await store.get(job.id, who()), job);
    }
  });
}
