/** `callJob` on a real client, whose server and workers are killed while it waits. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Client, StreamableHTTPClientTransport } from '@modelcontextprotocol/client';
import { callJob } from '../../src/client.ts';
import { until } from '../support/until.ts';
import { aServer, JOBS, started } from './a-server.ts';

for (const mode of ['auto', 'legacy'] as const) {
  test(`a wait outlives kill -9 of everything, with a client in mode ${mode}`, async (t) => {
    const { server, db, token } = await aServer(t, '--jobs', JOBS);
    const client = new Client({ name: 'test', version: '1' }, { versionNegotiation: { mode } });
    const requestInit = { headers: { authorization: `Bearer ${token}` } };
    const url = new URL(server.url);
    await client.connect(new StreamableHTTPClientTransport(url, { requestInit }));
    t.after(() => client.close());

    const seen: string[] = [];
    const onStatus = ({ status }: { readonly status: string }) => void seen.push(status);
    const result = callJob(client, 'nap', { ms: 2_500 }, { onStatus });
    await until('the job runs', () => seen.includes('running'));
    await server.kill();
    const again = ['--db', db, '--port', url.port, '--jobs', JOBS, '--rate-limit', '0', '--json'];
    await started(t, ['start', ...again]);
    assert.deepEqual(await result, { said: '2500 ms' });
    assert.ok(!seen.slice(seen.indexOf('running')).includes('queued'), seen.join(' '));
  });
}
