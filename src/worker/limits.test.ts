import assert from 'node:assert/strict';
import { test } from 'node:test';
import { z } from 'zod';
import { defineJob } from '../job/definition.ts';
import { checkedMaxRunning, limitsOf } from './limits.ts';

const common = { description: 'Does it.', input: z.object({}), output: z.object({}) };
const free = defineJob({ ...common, name: 'free', run: () => ({}) });
const two = defineJob({ ...common, name: 'two', maxRunningPerTeam: 2, run: () => ({}) });

test('without any limit there is nothing to look for', () => {
  assert.equal(limitsOf(new Map([['free', free]]), 0), null);
});

test('a limit of the team or of a tool is looked for, and other tools have none', () => {
  const definitions = new Map([
    ['free', free],
    ['two', two],
  ]);
  const tools = new Map([['two', { max: 0, perTeam: 2 }]]);
  assert.deepEqual(limitsOf(definitions, 0), { perTeam: 0, tools });
  assert.deepEqual(limitsOf(definitions, 7), { perTeam: 7, tools });
});

test('what is no limit is refused, saying what would be one', () => {
  for (const wrong of [-1, 1.5, NaN, 10_001, '3' as never]) {
    assert.throws(() => checkedMaxRunning(wrong), /maxRunningPerTeam is .*0\.\.10000/);
  }
  assert.equal(checkedMaxRunning(10_000), 10_000);
});
