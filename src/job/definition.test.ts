import assert from 'node:assert/strict';
import { test } from 'node:test';
import { z } from 'zod';
import { defineJob, definitionsOf } from './definition.ts';

const valid = {
  name: 'print_pages',
  description: 'Print pages.',
  input: z.object({ n: z.number() }),
  output: z.object({ n: z.number() }),
  run: ({ n }: { n: number }) => ({ n }),
};

test('a definition is complete and cannot be changed', () => {
  const job = defineJob({ ...valid, backoff: { maxMs: 5_000 } });
  assert.deepEqual([job.attempts, job.timeoutMs, job.title, job.ability], [3, 600_000, null, null]);
  assert.deepEqual(job.backoff, { baseMs: 1_000, maxMs: 5_000 });
  assert.equal(job.inputJson['type'], 'object');
  assert.ok(Object.isFrozen(job));
});

test('every problem of a definition is said at once', () => {
  const wrong = {
    ...valid,
    name: 'print pages',
    description: ' ',
    atempts: 2,
    timeoutMs: 1,
    run: 1,
  };
  assert.throws(
    () => defineJob(wrong as never),
    (error: Error) => {
      assert.equal(error.name, 'TypeError');
      for (const part of [
        /did you mean "attempts"/,
        /`name`/,
        /`description`/,
        /`run`/,
        /timeoutMs.*100\.\.86400000/,
      ]) {
        assert.match(error.message, part);
      }
      return true;
    },
  );
});

test('options out of their range are refused', () => {
  const wrong: readonly object[] = [
    { attempts: 0 },
    { attempts: 51 },
    { attempts: 1.5 },
    { attempts: '3' },
    { timeoutMs: 86_400_001 },
    { answerWithinMs: 999 },
    { backoff: { baseMs: -1 } },
    { backoff: { maxMs: 3_600_001 } },
    { name: '' },
    { name: 'x'.repeat(65) },
    { input: {} },
    { nonsense: 1 },
  ];
  for (const part of wrong) {
    assert.throws(() => defineJob({ ...valid, ...part } as never), TypeError, JSON.stringify(part));
  }
});

test('the definitions of a module are found by name, whatever else it exports', () => {
  const job = defineJob(valid);
  const found = definitionsOf({ job, again: job, other: 1, none: null, text: 'x' });
  assert.deepEqual([...found.keys()], ['print_pages']);
});

test('a module without definitions, or with two of one name, is refused', () => {
  assert.throws(() => definitionsOf({ a: 1 }), /exports no definition\. Export/);
  assert.throws(
    () => definitionsOf({ a: defineJob(valid), b: defineJob(valid) }),
    /Two definitions are named "print_pages"\. Rename/,
  );
});
