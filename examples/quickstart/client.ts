import { Client, StreamableHTTPClientTransport } from '@modelcontextprotocol/client';
import { callJob } from 'mcp-async-jobs/client';
import { bakeBread } from './jobs.ts';

const [url = 'http://127.0.0.1:3000/mcp', loaves = '3'] = process.argv.slice(2);
const client = new Client({ name: 'quickstart', version: '1.0.0' });
await client.connect(new StreamableHTTPClientTransport(new URL(url)));
const bread = await callJob(
  client,
  bakeBread,
  { loaves: Number(loaves) },
  {
    onSubmit: (id) => console.log(id),
    onStatus: ({ status }) => console.log(status),
    onProgress: ({ percent }) => console.log(`${percent} %`),
  },
);
console.log(bread);
await client.close();
