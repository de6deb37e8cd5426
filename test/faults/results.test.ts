/** Results of faults add up, are put together, and are all told of. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { kept, latest, merged, root, type Result } from '../../scripts/faults-results.ts';
import { FAULTS, NOT_DONE } from './catalogue.ts';

const FULL = FAULTS.get('F19')?.full ?? 0;

function result(given: Partial<Result> & { readonly count?: number }): Result {
  const { count = 10, ...rest } = given;
  return {
    fault: 'F19',
    engine: 'sqlite',
    pieces: [{ seed: 1, count }],
    runs: count,
    counted: {},
    violations: [],
    missing: null,
    source: 'a',
    date: '2026-01-01T00:00:00.000Z',
    ms: 5,
    ...rest,
  };
}

describe('results of faults', () => {
  test('add up over pieces of one source, the worst of what is measured', () => {
    const first = result({ counted: { kills: 3, 'p99 ms': 9, 'codes a second': 5 } });
    const second = result({
      pieces: [{ seed: 11, count: 4 }],
      runs: 4,
      counted: { kills: 1, 'p99 ms': 7, 'codes a second': 4 },
      violations: ['one'],
    });
    const [sum, ...more] = kept([first], second);
    assert.deepEqual(more, []);
    assert.deepEqual(
      [sum?.runs, sum?.counted, sum?.violations, sum?.ms],
      [14, { kills: 4, 'p99 ms': 9, 'codes a second': 4 }, ['one'], 10],
    );
    assert.deepEqual(sum?.pieces, [
      { seed: 1, count: 10 },
      { seed: 11, count: 4 },
    ]);
    assert.equal(kept([first], result({ source: 'b' })).length, 2);
  });

  test('that were made apart are put together: other seeds add up, of the same the later is taken', () => {
    const early = result({ runs: 1 });
    const late = result({ runs: 2, date: '2026-01-02T00:00:00.000Z' });
    const other = result({ engine: 'postgres' });
    assert.deepEqual(merged([late, other, early]), [other, late]);
    const [sum] = merged([early, { ...late, pieces: [{ seed: 500, count: 2 }] }]);
    assert.deepEqual([sum?.runs, sum?.pieces.length], [3, 2]);
  });

  test('speak by the newest whole one, else by the furthest, but never hide what was found', () => {
    const whole = result({ count: FULL, date: '2026-01-02T00:00:00.000Z' });
    const short = result({ source: 'b', date: '2026-01-03T00:00:00.000Z' });
    const further = result({ source: 'c', count: 20 });
    const broken = { ...short, violations: ['one'] };
    const said = (...all: Result[]) => latest(all, 'F19', 'sqlite');
    assert.equal(said(further, whole, short), whole);
    assert.equal(said(further, short), further);
    assert.equal(said(whole, broken), broken);
    assert.equal(said({ ...broken, date: '2026-01-01T00:00:00.000Z' }, whole), whole);
    assert.equal(said(), null);
  });

  test('stand in docs/reliability.md, a row for each fault and store, run or not', () => {
    const page = readFileSync(join(root, 'docs/reliability.md'), 'utf8');
    for (const [name, { engines }] of FAULTS) {
      for (const engine of engines)
        assert.match(page, new RegExp(`^\\| ${name} +\\| ${engine} +\\| \\S`, 'm'));
    }
    for (const name of Object.keys(NOT_DONE))
      assert.match(page, new RegExp(`^\\| ${name} +\\|`, 'm'));
  });
});
