/** What a careless handler says of its progress, and what of it is kept. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { z } from 'zod';
import { monotonic } from '../job/clock.ts';
import { defineJob } from '../job/definition.ts';
import type { Progress } from '../job/job.ts';
import { SILENT } from '../job/log.ts';
import { runOnce } from '../testing.ts';
import { boundedProgress, ProgressWriter } from './progress.ts';

test('numbers that are none count as nothing done, or as an unknown total', () => {
  for (const wrong of [NaN, -1, -Infinity, Infinity, '5', null, undefined, {}, 5n, Symbol('x')]) {
    assert.deepEqual(boundedProgress(wrong, wrong, null), { done: 0, total: null, message: null });
  }
  assert.deepEqual(boundedProgress(1e300, 1e308, null), {
    done: Number.MAX_SAFE_INTEGER,
    total: Number.MAX_SAFE_INTEGER,
    message: null,
  });
  assert.deepEqual(boundedProgress(2.5, 10, 'half'), { done: 2.5, total: 10, message: 'half' });
});

test('a message is cut to 200 characters, visibly, and loses its control characters', () => {
  const { message } = boundedProgress(0, null, 'x'.repeat(1_000_000));
  assert.equal(message, `${'x'.repeat(199)}…`);
  assert.equal(boundedProgress(0, null, 'a\u001b[31m\nb').message, 'a\uFFFD[31m\uFFFDb');
  assert.equal(boundedProgress(0, null, `${'x'.repeat(399)}😀`).message?.length, 200);
  for (const wrong of [5, {}, [], Symbol('x')]) {
    assert.equal(boundedProgress(0, null, wrong).message, null);
  }
});

test('a handler that says nonsense is not harmed by it', async () => {
  const careless = defineJob({
    name: 'careless',
    description: 'Says nonsense.',
    input: z.object({}),
    output: z.object({}),
    run: (_, job) => {
      const say = job.progress as (...said: unknown[]) => void;
      say();
      say(NaN, -5, 'y'.repeat(1_000_000));
      return {};
    },
  });
  const { status, progress } = await runOnce(careless, {});
  assert.equal(status, 'completed');
  assert.deepEqual(progress.at(-1), { done: 0, total: null, message: `${'y'.repeat(199)}…` });
});

test('10,000 words a second are a write a second, and the last word is the last one written', async () => {
  const written: Progress[] = [];
  const store = {
    progress: async (_: unknown, progress: Progress) => {
      written.push(progress);
      return true;
    },
  };
  const writer = new ProgressWriter(store, { id: 'mjb_1', lease: 'l', runs: 3 }, SILENT);
  const startedAt = monotonic();
  let done = 0;
  while (monotonic() - startedAt < 2_500) {
    for (let i = 0; i < 100; i += 1) writer.set({ done: (done += 1), total: null, message: null });
    await new Promise((resolve) => {
      setTimeout(resolve, 10);
    });
  }
  writer.close();
  writer.set({ done: done + 1, total: null, message: null });
  assert.ok(done > 10_000, `only ${done} words`);
  assert.ok(written.length >= 3 && written.length <= 5, `${written.length} writes`);
  const last = written.at(-1);
  assert.deepEqual([last?.done, last?.run], [done, 3]);
  assert.ok(Number.isInteger(last?.since));
});

test('what is said after the end of a silent run is not written', async () => {
  let writes = 0;
  const store = {
    progress: async () => {
      writes += 1;
      return true;
    },
  };
  const writer = new ProgressWriter(store, { id: 'mjb_1', lease: 'l', runs: 1 }, SILENT);
  writer.close();
  writer.set({ done: 1, total: null, message: null });
  await new Promise((resolve) => setImmediate(resolve));
  assert.equal(writes, 0);
});
