import assert from 'node:assert/strict';
import { test } from 'node:test';
import { can, NAMED_ONLY, VIEW_ANY } from './who.ts';

test('an ability is had by name, or by the star unless it is granted by name only', () => {
  const who = (...abilities: string[]) => ({ team: 't', owner: 'o', abilities });
  assert.ok(can(who('plan:create'), 'plan:create'));
  assert.ok(!can(who('plan:create'), 'plan:delete'));
  assert.ok(can(who('*'), 'plan:delete'));
  assert.ok(!can(who('*'), VIEW_ANY));
  assert.ok(can(who('*', VIEW_ANY), VIEW_ANY));
  assert.ok(!can(who(), 'plan:create'));
});

test('what is granted by name only is seeing the jobs of a team', () => {
  assert.deepEqual(NAMED_ONLY, ['job:view-any']);
});
