import assert from 'node:assert/strict';
import { test } from 'node:test';
import { masked, readable } from './log.ts';

test('the secret of a token does not get into the log', () => {
  const line = '{"msg":"got mpt_live_aB3_Secret0 and mpt_test_x9_Other1"}';
  assert.equal(masked(line), '{"msg":"got mpt_live_aB3_[secret] and mpt_test_x9_[secret]"}');
});

test('a line for a person has the time, the level, the sentence and the facts', () => {
  const event = {
    level: 'info',
    time: '2026-05-18T10:05:00.123Z',
    job_id: 'mjb_1',
    attempt: 1,
    msg: 'run ended',
  };
  assert.equal(readable(JSON.stringify(event)), '10:05:00 info  run ended job_id=mjb_1 attempt=1');
});

test('the password of a database does not get into the log', () => {
  const line = JSON.stringify({ url: 'postgres://app:hunter2@db.example:5432/jobs', msg: 'no' });
  assert.ok(!masked(line).includes('hunter2'), masked(line));
  assert.match(masked(line), /db\.example/);
});
