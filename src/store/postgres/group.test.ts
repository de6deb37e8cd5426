import assert from 'node:assert/strict';
import { test } from 'node:test';
import { JobError } from '../../job/errors.ts';
import { Group } from './group.ts';

/** A group each of whose writes fails as given, and what its members are told. */
async function told(members: number, failure: () => unknown): Promise<unknown[]> {
  const group = new Group<number, never>({
    membersMax: 512,
    lanes: 2,
    nameOf: () => null,
    write: () => Promise.reject(failure()),
  });
  const answers = Array.from({ length: members }, (_, member) => group.add(member));
  const settled = await Promise.allSettled(answers);
  await group.drain();
  return settled.map((answer) => (answer.status === 'rejected' ? answer.reason : null));
}

test('a commit that fails without a cause is told to every member', async () => {
  const unknown = new JobError('STORE_UNKNOWN');
  assert.deepEqual(await told(2, () => unknown), [unknown, unknown]);
  const memory = Object.assign(new Error('out of memory'), { code: '53200', severity: 'ERROR' });
  assert.deepEqual(await told(3, () => memory), [memory, memory, memory]);
});

test('a fault of one is told to each by itself', async () => {
  let written = 0;
  const reasons = await told(2, () => new TypeError(`write ${(written += 1)}`));
  assert.deepEqual(
    reasons.map((reason) => (reason as Error).message),
    ['write 2', 'write 3'],
  );
});

test('no member stays without an answer when the failure itself cannot be judged', async () => {
  const broken = new Error('the cause cannot be read');
  const failure = Object.defineProperty(new Error('x'), 'cause', {
    get() {
      throw broken;
    },
  });
  assert.deepEqual(await told(2, () => failure), [broken, broken]);
});
