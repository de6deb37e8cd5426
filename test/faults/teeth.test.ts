/** The planted bugs are ready to be planted; `npm run faults -- teeth` looks whether each is found. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { teeth, whyStale } from '../../scripts/faults-teeth.ts';
import { FAULTS } from './catalogue.ts';

describe('planted bugs', () => {
  const all = teeth();

  test('there are ten', () => {
    assert.equal(all.length, 10);
  });

  for (const tooth of all) {
    test(`${tooth.name} still applies, and names a fault that finds it`, () => {
      const [fault = '', engine, count] = tooth.found;
      assert.ok(FAULTS.get(fault)?.engines.includes(engine as 'sqlite'), tooth.found.join(' '));
      assert.ok(Number(count) > 0);
      assert.equal(whyStale(tooth), null);
    });
  }
});
