/**
 * What 3,000 open streams of `subscriptions/listen` cost: memory, how soon all are open, and how
 * soon all are told of the end of the one job that they name.
 */
import { request } from 'node:http';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { type Bench, type Finding } from './finding.ts';
import { withFolder } from './folder.ts';
import { proportionalMB } from './memory.ts';
import { callTool } from './product.ts';
import { ServerUnderTest } from './server.ts';
import { short, timed } from './statistics.ts';

const STREAMS = 3_000;
/** Streams that are being opened at once. */
const AT_ONCE = 100;
const SETTLED_MS = 5_000;

interface Stream {
  readonly ended: Promise<void>;
}

export const listen: Bench = async ({ quick }) =>
  withFolder(async (folder) => {
    const db = join(folder, 'jobs.db');
    await using server = await ServerUnderTest.start({
      kind: 'ours',
      db,
      workers: 0,
      concurrency: 1,
    });
    const { url, token } = server;
    const count = quick ? STREAMS / 10 : STREAMS;
    const job = await callTool(url, token, 'trivial', { n: 1 });
    const taskId = String(job['job_id']);
    await Promise.all(
      Array.from({ length: 20 }, async () => callTool(url, token, 'list_jobs', {})),
    );
    await pause(SETTLED_MS);
    const emptyMB = proportionalMB(server.pid);
    const streams: Stream[] = [];
    const openMs = await timed(async () => {
      while (streams.length < count) {
        const some = Array.from({ length: Math.min(AT_ONCE, count - streams.length) }, async () =>
          open(url, token, taskId),
        );
        streams.push(...(await Promise.all(some)));
      }
    });
    await pause(SETTLED_MS);
    const fullMB = proportionalMB(server.pid);
    const toldMs = await timed(async () => {
      await callTool(url, token, 'cancel_job', { job_id: taskId });
      await Promise.all(streams.map(({ ended }) => ended));
    });
    const finding = (what: string, measured: number, unit: Finding['unit'], detail = '') => ({
      bench: 'listen',
      what: `${count.toLocaleString('en')} streams: ${what}`,
      measured,
      unit,
      bar: null,
      detail,
    });
    return [
      finding(
        'memory of each',
        ((fullMB - emptyMB) * 1_024) / count,
        'kB',
        `${short(emptyMB)} to ${short(fullMB)} MB, with their connections`,
      ),
      finding('all are open after', openMs / 1_000, 's'),
      finding('all were told of the end, and closed, after', toldMs / 1_000, 's'),
    ];
  });

/** Resolves when the first notification of the task is there. */
function open(url: string, token: string, taskId: string): Promise<Stream> {
  const method = 'subscriptions/listen';
  const capabilities = { extensions: { 'io.modelcontextprotocol/tasks': {} } };
  const params = {
    notifications: { taskIds: [taskId] },
    _meta: {
      'io.modelcontextprotocol/protocolVersion': '2026-07-28',
      'io.modelcontextprotocol/clientInfo': { name: 'bench', version: '1.0.0' },
      'io.modelcontextprotocol/clientCapabilities': capabilities,
    },
  };
  const { promise, resolve, reject } = Promise.withResolvers<Stream>();
  const { promise: ended, resolve: end } = Promise.withResolvers<void>();
  const sent = request(url, {
    method: 'POST',
    agent: false,
    headers: {
      Authorization: `Bearer ${token}`,
      Accept: 'application/json, text/event-stream',
      'Content-Type': 'application/json',
      'MCP-Protocol-Version': '2026-07-28',
      'Mcp-Method': method,
    },
  });
  sent.once('error', reject);
  sent.once('response', (response) => {
    let text = '';
    response.setEncoding('utf8').on('data', (chunk: string) => {
      text += chunk;
      if (text.includes('notifications/tasks')) resolve({ ended });
    });
    response.once('end', () => {
      // Without effect where the task was told before.
      reject(new Error(`A stream was refused: ${text}`));
      if (text.includes('"status":"cancelled"')) end();
    });
  });
  sent.end(JSON.stringify({ jsonrpc: '2.0', id: 1, method, params }));
  return promise;
}
