import assert from 'node:assert/strict';
import { test } from 'node:test';
import { SILENT } from './log.ts';

test('the silent log takes every level and says nothing', () => {
  for (const level of ['debug', 'info', 'warn', 'error'] as const) {
    assert.equal(SILENT[level]({ job_id: 'mjb_1' }, 'running'), undefined);
  }
});
