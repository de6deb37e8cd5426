import { Client, StreamableHTTPClientTransport } from '@modelcontextprotocol/client';
import { Client as V1 } from '@modelcontextprotocol/sdk/client/index.js';
import { StreamableHTTPClientTransport as V1T } from '@modelcontextprotocol/sdk/client/streamableHttp.js';
const url = new URL(process.argv[2] ?? 'http://127.0.0.1:3999/mcp');
const logged: typeof fetch = async (i, init) => { const r = await fetch(i, init); if (init?.method !== 'GET') console.log('  >', String(init?.body).slice(0, 400), JSON.stringify(init?.headers instanceof Headers ? Object.fromEntries(init.headers) : init?.headers), '<', r.status, r.headers.get('content-type'), r.headers.get('mcp-session-id')); return r; };
for (const mode of ['auto', 'legacy', 'modern'] as const) {
  const c = new Client({ name: 'x', version: '1' }, mode === 'auto' ? {} : { versionNegotiation: { mode: mode === 'modern' ? { pin: '2026-07-28' } : mode } } as never);
  await c.connect(new StreamableHTTPClientTransport(url, { fetch: logged }));
  console.log(mode, c.getServerVersion());
  const tools = await c.listTools();
  console.log(JSON.stringify(tools).length, JSON.stringify(tools.tools[0]).slice(0, 200));
  const r = await c.callTool({ name: 'add', arguments: { a: 1, b: 2 } });
  console.log(JSON.stringify(r));
  const id = (r.structuredContent as any).data.job_id;
  await new Promise((f) => setTimeout(f, 300));
  console.log(JSON.stringify(await c.callTool({ name: 'get_job_status', arguments: { job_id: id } })));
  console.log(JSON.stringify(await c.callTool({ name: 'get_job_status', arguments: { job_id: 'nope' } })));
  console.log(JSON.stringify(await c.callTool({ name: 'list_jobs', arguments: { limit: 1 } })));
  await c.callTool({ name: 'nope', arguments: {} }).then(console.log, (e) => console.log('unknown tool', e.code, e.message));
  await c.close();
}
const v1 = new V1({ name: 'x', version: '1' });
await v1.connect(new V1T(url, { fetch: logged }) as never);
await v1.listTools();
console.log('v1', JSON.stringify(await v1.callTool({ name: 'get_job_status', arguments: { job_id: 'nope' } })));
console.log('v1', JSON.stringify(await v1.callTool({ name: 'add', arguments: { a: 1, b: 2 } })));
await v1.close();
