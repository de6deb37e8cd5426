/** A few runs of each fault, as a test; the long part is `npm run faults`. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { FAULTS } from './catalogue.ts';
import { withEnding } from './fault.ts';
import type { Engine } from './place.ts';

/** A fault takes seconds; beside other tests on two cores it may take minutes. */
const TEST_MS = 300_000;

/** One test for each fault that is named, with how often it is done. */
export function shortFaults(engine: Engine, counts: Readonly<Record<string, number>>): void {
  for (const [name, count] of Object.entries(counts)) {
    const fault = FAULTS.get(name);
    if (!fault) throw new Error(`there is no fault ${name}`);
    test(`${name} on ${engine}: ${fault.bar}`, { timeout: TEST_MS }, async (t) => {
      const missing = fault.missing?.() ?? null;
      if (missing !== null) return t.skip(`NOT RUN: ${missing}`);
      const seed = Math.floor(Math.random() * 1e9);
      t.diagnostic(`npm run faults -- ${name} --engine ${engine} --count ${count} --seed ${seed}`);
      const { counted, violations } = await withEnding((ending) =>
        fault.run({ t: ending, engine, seed, count }),
      );
      t.diagnostic(JSON.stringify(counted));
      assert.deepEqual(violations, []);
    });
  }
}
