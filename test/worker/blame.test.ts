import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Job } from '../../src/job/job.ts';
import { changesAfterDeath, type Ending } from '../../src/worker/blame.ts';

function aHeld(lease: string): Job {
  return { id: `mjb_${lease}`, tool: 't', lease, runs: 1, attempts: 0, attemptsMax: 3 } as Job;
}

/** The verdict per job: the fault's code or `fault`, `alone`, or `free`. */
function verdicts(
  held: readonly string[],
  begun: Record<string, number>,
  given: Partial<Ending> = {},
) {
  const changes = changesAfterDeath({
    held: held.map(aHeld),
    begun: new Map(Object.entries(begun)),
    at: 1_000,
    wasOrdered: false,
    definitions: new Map(),
    ...given,
  });
  return Object.fromEntries(
    [...changes].map(([id, { fault, alone }]) => [
      id.slice(4),
      fault ? 'fault' : alone ? 'alone' : 'free',
    ]),
  );
}

test('the only run that had begun is to blame', () => {
  assert.deepEqual(verdicts(['a'], { a: 5_000 }), { a: 'fault' });
});

test('what was claimed and had not begun is free', () => {
  assert.deepEqual(verdicts(['a', 'b'], { a: 5_000 }), { a: 'fault', b: 'free' });
  assert.deepEqual(verdicts(['b'], {}), { b: 'free' });
});

test('of several that had begun nobody is to blame yet, and each is run alone', () => {
  assert.deepEqual(verdicts(['a', 'b', 'c'], { a: 5_000, b: 5_000 }), {
    a: 'alone',
    b: 'alone',
    c: 'free',
  });
});

test('a run past its deadline is to blame, and its company is free', () => {
  assert.deepEqual(verdicts(['a', 'b'], { a: 999, b: 5_000 }), { a: 'fault', b: 'free' });
  assert.deepEqual(verdicts(['a', 'b'], { a: 999, b: 998 }), { a: 'fault', b: 'fault' });
});

test('a handler that went on after its job was taken from it explains the death', () => {
  assert.deepEqual(verdicts(['b'], { gone: 300, b: 5_000 }), { b: 'free' });
});

test('an end that was ordered costs nobody', () => {
  assert.deepEqual(verdicts(['a', 'b'], { a: 999, b: 5_000 }, { wasOrdered: true }), {
    a: 'free',
    b: 'free',
  });
});
