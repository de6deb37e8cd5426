/** The result of a job as a resource: the same authority as the tools. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { newId } from '../../src/job/ids.ts';
import { aTaskServer, modern, old, submitted, taskThatIs } from './wire.ts';

const uriOf = (id: string) => `mcp-async-jobs://jobs/${id}/result`;

test('a final job can be read as a resource, by whoever sees it with the tools', async (t) => {
  const { url } = await aTaskServer(t);
  const read = (id: string, token = 'anna/anna/*') =>
    modern(url, 'resources/read', { uri: uriOf(id) }, { token });
  const done = await submitted(url, 'long', { length: 100_000 });
  await taskThatIs(url, done, 'completed');
  const [content] = (await read(done)).result.contents;
  assert.equal(content.uri, uriOf(done));
  assert.equal(JSON.parse(content.text).data.text.length, 100_000);
  const viewer = await read(done, 'anna/bert/job:view-any');
  assert.equal(viewer.result.contents.length, 1);

  const refused = await submitted(url, 'refuse');
  await taskThatIs(url, refused, 'completed');
  const failure = JSON.parse((await read(refused)).result.contents[0].text);
  assert.equal(failure.error.code, 'OUT_OF_PAPER');

  const open = await submitted(url, 'nap', { ms: 60_000 });
  assert.match((await read(open)).error?.message ?? '', /has no result yet/);
});

test('what is no URI is refused without being repeated', async (t) => {
  const { url } = await aTaskServer(t);
  const long = uriOf('x'.repeat(2_000));
  for (const uri of ['no\u202auri', uriOf('un\u200bseen'), long, '']) {
    const { error } = await old(url, 'resources/read', { uri });
    assert.equal(error?.code, -32_602, uri);
    assert.match(error.message, /uri must be an absolute URI of at most 2000 visible characters/);
    assert.equal(error.data, undefined);
  }
});

test('unknown, malformed and foreign jobs are the same miss', async (t) => {
  const { url } = await aTaskServer(t);
  const id = await submitted(url, 'add', { a: 1, b: 2 });
  await taskThatIs(url, id, 'completed');
  const miss = async (uri: string, token: string) => {
    const { error } = await modern(url, 'resources/read', { uri }, { token });
    return { code: error?.code, message: error?.message };
  };
  const expected = { code: -32_602, message: 'No such job is visible to this token.' };
  assert.deepEqual(await miss(uriOf(newId('mjb')), 'anna/anna/*'), expected);
  assert.deepEqual(await miss(uriOf('nonsense'), 'anna/anna/*'), expected);
  assert.deepEqual(await miss(uriOf(id), 'anna/bert/*'), expected);
  assert.deepEqual(await miss(uriOf(id), 'bert/anna/*'), expected);
});
