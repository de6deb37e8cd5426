/** What the server answers beside MCP. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { JobError } from '../../src/index.ts';
import { ERRORS } from '../../src/job/error-codes.ts';
import { ANNA, aServer, call } from './fixture.ts';

async function get(url: string, init: RequestInit = {}) {
  const response = await fetch(url, init);
  return { response, text: await response.text() };
}

test('GET / tells a person how to connect', async (t) => {
  const { url, publicUrl } = await aServer(t);
  const { response, text } = await get(publicUrl);
  assert.equal(response.status, 200);
  assert.match(response.headers.get('content-type') ?? '', /^text\/plain/);
  assert.ok(text.includes(url));
});

test('/errors has an anchor for every code', async (t) => {
  const { publicUrl } = await aServer(t);
  const { text } = await get(`${publicUrl}/errors`);
  for (const code of Object.keys(ERRORS)) assert.ok(text.includes(`id="${code}"`), code);
});

test('/readyz is 200 with a worker and 503 with the reason without', async (t) => {
  const ready = await aServer(t);
  assert.equal((await get(`${ready.publicUrl}/readyz`)).response.status, 200);
  const idle = await aServer(t, { inProcess: false, workers: 0 });
  const { response, text } = await get(`${idle.publicUrl}/readyz`);
  assert.equal(response.status, 503);
  assert.deepEqual(JSON.parse(text), { status: 'unready', reasons: ['no worker is alive'] });
  assert.equal((await get(`${idle.publicUrl}/healthz`)).text, '{"status":"ok"}');
});

test('what is not there is 404 and a wrong method 405, in the standard envelope', async (t) => {
  const { publicUrl } = await aServer(t);
  for (const [path, method, status, code] of [
    ['/nope', 'GET', 404, 'RESOURCE_NOT_FOUND'],
    ['/mcp/', 'POST', 404, 'RESOURCE_NOT_FOUND'],
    ['/healthz', 'POST', 405, 'METHOD_NOT_ALLOWED'],
  ] as const) {
    const { response, text } = await get(publicUrl + path, { method });
    assert.equal(response.status, status);
    const { error } = JSON.parse(text) as { error: { code: string; request_id: string } };
    assert.equal(error.code, code);
    assert.equal(error.request_id, response.headers.get('x-request-id'));
  }
});

test('routes of the application answer with the limits and errors of the server', async (t) => {
  const { publicUrl } = await aServer(t, {
    rateLimit: 2,
    routes: (app, { identify }) => {
      app.get('/things/:id', async (context) => {
        const who = await identify(context.req.raw);
        if (who === null) throw new JobError('AUTHENTICATION_REQUIRED');
        if (context.req.param('id') === 'broken') throw new Error('a secret detail');
        return context.json({ data: { owner: who.owner } });
      });
    },
  });
  const url = `${publicUrl}/things/1`;
  const init = { headers: { authorization: `Bearer ${ANNA}` } };
  assert.equal((await get(url, init)).text, '{"data":{"owner":"anna"}}');
  const broken = await get(`${publicUrl}/things/broken`, init);
  assert.equal(broken.response.status, 500);
  assert.ok(broken.text.includes('INTERNAL_ERROR') && !broken.text.includes('secret'));
  const limited = await get(url, init);
  assert.equal(limited.response.status, 429);
  assert.ok(Number(limited.response.headers.get('retry-after')) >= 1);
  const stranger = await get(url);
  assert.equal(stranger.response.status, 401);
  assert.equal(stranger.response.headers.get('www-authenticate'), 'Bearer');
});

test('a synchronous tool gets the caller, and answers with a plain object', async (t) => {
  const { url } = await aServer(t, {
    settings: { colour: 'red' },
    tools: (mcp, { who, settings, requestId }) => {
      const answer = () => ({ data: { who: who.owner, settings, requestId } }) as never;
      mcp.registerTool('whoami', { description: 'Who you are.' }, answer);
    },
  });
  const { data } = await call(url, 'whoami', {});
  assert.match(data.requestId, /^req_/);
  assert.deepEqual(
    { ...data, requestId: '' },
    {
      who: 'anna',
      settings: { colour: 'red' },
      requestId: '',
    },
  );
  const { error } = await call(url, 'whoami', { x: 1 });
  assert.deepEqual(Object.keys(error.fields), ['x']);
});
