import assert from 'node:assert/strict';
import { test } from 'node:test';
import { can, VIEW_ANY } from './who.ts';

test('an ability is had by name, or by the star unless it is granted by name only', () => {
  const who = (...abilities: string[]) => ({ team: 't', owner: 'o', abilities });
  assert.ok(can(who('plan:create'), 'plan:create'));
  assert.ok(!can(who('plan:create'), 'plan:delete'));
  assert.ok(can(who('*'), 'plan:delete'));
  assert.ok(!can(who('*'), VIEW_ANY));
  assert.ok(can(who('*', VIEW_ANY), VIEW_ANY));
  assert.ok(!can(who(), 'plan:create'));
});
