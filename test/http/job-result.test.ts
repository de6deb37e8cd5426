/** Results that are too long for an answer: given by link, read over HTTP. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Ajv2020 } from 'ajv/dist/2020.js';
import { ANNA, aServer, call, finished, rpc } from './fixture.ts';

const jobs = new URL('../mcp/few-calls.jobs.ts', import.meta.url);
/** Bytes of the JSON around the text. */
const AROUND = JSON.stringify({ text: '' }).length;
const get = (address: string, token: string | null = ANNA, method = 'GET') =>
  fetch(address, { method, headers: token === null ? {} : { authorization: `Bearer ${token}` } });

async function aResult(url: string, bytes: number) {
  const { data } = await call(url, 'big', { bytes: bytes - AROUND });
  return finished(url, data.job_id);
}

test('a result of 64 KiB stands in the answer, one byte more is given by link', async (t) => {
  const { url, publicUrl } = await aServer(t, { jobs });
  const inline = await aResult(url, 65_536);
  assert.equal(inline.result.text.length, 65_536 - AROUND);
  assert.ok(!('result_url' in inline) && !('result_uri' in inline));
  const linked = await aResult(url, 65_537);
  const { job_id: id, result, error, result_uri, result_url, result_bytes } = linked;
  assert.deepEqual(
    { result, error, result_uri, result_url, result_bytes },
    {
      result: null,
      error: null,
      result_uri: `mcp-async-jobs://jobs/${id}/result`,
      result_url: `${publicUrl}/jobs/${id}/result`,
      result_bytes: 65_537,
    },
  );
});

test('the answer has the link as a block of its own, and its text is still the whole JSON', async (t) => {
  const { url } = await aServer(t, { jobs });
  const { job_id } = await aResult(url, 1_000_000);
  const { body } = await rpc(url, 'tools/call', { name: 'get_job_status', arguments: { job_id } });
  const [text, link, ...rest] = body.result.content;
  assert.equal(text.text, JSON.stringify(body.result.structuredContent));
  const { description, ...facts } = link;
  assert.deepEqual(facts, {
    type: 'resource_link',
    uri: `mcp-async-jobs://jobs/${job_id}/result`,
    name: 'Result of big',
    mimeType: 'application/json',
    size: 1_000_000,
  });
  assert.match(description, /1000000 bytes/);
  assert.deepEqual(rest, []);
  assert.ok(JSON.stringify(body).length < 4_096);
  const { body: listed } = await rpc(url, 'tools/list', {});
  const tool = listed.result.tools.find(({ name }: { name: string }) => name === 'get_job_status');
  const ajv = new Ajv2020({ strict: false });
  assert.ok(ajv.validate(tool.outputSchema, body.result.structuredContent), ajv.errorsText());
});

test('the link gives the whole result to whoever sees the job, and to nobody else', async (t) => {
  const { url, publicUrl } = await aServer(t, { jobs, requiredAbility: 'mcp:full' });
  const { result_url: address, result_bytes: bytes } = await aResult(url, 300_000);
  const answer = await get(address);
  assert.equal(answer.status, 200);
  assert.equal(answer.headers.get('content-type'), 'application/json');
  assert.equal(answer.headers.get('cache-control'), 'no-store');
  assert.equal(answer.headers.get('x-content-type-options'), 'nosniff');
  const text = await answer.text();
  assert.equal(Buffer.byteLength(text), bytes);
  assert.deepEqual(Object.keys(JSON.parse(text) as object), ['text']);
  assert.equal((await get(address, 'anna/bert/mcp:full,job:view-any')).status, 200);

  const refused = [];
  for (const [token, where] of [
    ['anna/bert/*', address],
    ['other/anna/*', address],
    [ANNA, `${publicUrl}/jobs/mjb_01HX0000000000000000000000/result`],
  ] as const) {
    const { status, ...rest } = await get(where, token).then(async (one) => ({
      status: one.status,
      body: (await one.text()).replace(/req_\w+/, ''),
    }));
    assert.equal(status, 404);
    refused.push(rest.body);
  }
  assert.equal(new Set(refused).size, 1);
  assert.equal((await get(address, 'anna/anna/other')).status, 403);
});

test('without a token the link says how to fetch it', async (t) => {
  const { url } = await aServer(t, { jobs });
  const { result_url: address } = await aResult(url, 100_000);
  const answer = await get(address, null);
  assert.equal(answer.status, 401);
  assert.equal(answer.headers.get('www-authenticate'), 'Bearer');
  assert.equal(answer.headers.get('cache-control'), 'no-store');
  assert.match(await answer.text(), /curl .*\/jobs\/<job_id>\/result/);
});

test('a short result can be read at the same address, one that is not there is a conflict', async (t) => {
  const { url, publicUrl } = await aServer(t, { jobs });
  const address = (id: string) => `${publicUrl}/jobs/${id}/result`;
  const { job_id: short, result } = await aResult(url, 100);
  assert.deepEqual(await (await get(address(short))).json(), result);
  const { data: failed } = await call(url, 'complains', {});
  await finished(url, failed.job_id);
  const { data: open } = await call(url, 'steps', { steps: 100, ms: 1_000 });
  for (const [id, status] of [
    [failed.job_id, 'failed'],
    [open.job_id, /queued|running/],
  ] as const) {
    const answer = await get(address(id));
    assert.equal(answer.status, 409);
    const { error } = (await answer.json()) as {
      error: { code: string; context: { status: string } };
    };
    assert.equal(error.code, 'CONFLICT');
    assert.match(error.context.status, new RegExp(status));
  }
  const posted = await get(address(short), ANNA, 'POST');
  assert.deepEqual([posted.status, posted.headers.get('allow')], [405, 'GET']);
});

test('the error of a job is kept within bounds, so that every poll can carry it', async (t) => {
  const { url } = await aServer(t, { jobs });
  const { data } = await call(url, 'complains', {});
  const { error } = await finished(url, data.job_id);
  assert.equal(error.code, 'LONG');
  assert.match(error.message, /x…$/);
  assert.ok(JSON.stringify(error).length < 8_192);
});
