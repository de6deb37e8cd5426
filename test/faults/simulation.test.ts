/** One seed of the simulation is one history, wherever it is run. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { tracesOf } from './simulation.ts';

describe('the simulation', () => {
  test('repeats a history from its seed alone, whatever was run before it', async () => {
    const [alone = []] = await tracesOf([7]);
    const [, after] = await tracesOf([6, 7]);
    assert.ok(alone.length > 10, `${alone.length} lines`);
    assert.deepEqual(after, alone);
  });

  test('runs another history for another seed', async () => {
    const [one, other] = await tracesOf([7, 8]);
    assert.notDeepEqual(one, other);
  });
});
