import { Client, StreamableHTTPClientTransport } from '@modelcontextprotocol/client';
import { callJob } from 'mcp-async-jobs/client';

const [url = 'http://127.0.0.1:3000/mcp', loaves = '3'] = process.argv.slice(2);
const client = new Client(
  { name: 'quickstart', version: '1.0.0' },
  { versionNegotiation: { mode: 'auto' } },
);
await client.connect(new StreamableHTTPClientTransport(new URL(url)));
const result = await callJob(
  client,
  'bake_bread',
  { loaves: Number(loaves) },
  { onSubmit: (id) => console.log(id), onStatus: ({ status }) => console.log(status) },
);
console.log(result);
await client.close();
