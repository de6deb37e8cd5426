import { Client, StreamableHTTPClientTransport } from '@modelcontextprotocol/client';
import { callJob, type JobState } from 'mcp-async-jobs/client';
import { bakeCake } from './jobs.ts';

const [url = 'http://127.0.0.1:3000/mcp'] = process.argv.slice(2);
const client = new Client({ name: 'question', version: '1.0.0' });
await client.connect(new StreamableHTTPClientTransport(new URL(url)));

// What a person would be asked; here it is always "two".
const answered = new Set<string>();
const answer = async ({ job_id, input_requests }: JobState) => {
  for (const key of Object.keys(input_requests ?? {})) {
    if (answered.has(key)) continue;
    answered.add(key);
    const answers = { [key]: { action: 'accept', content: { turns: 2 } } };
    await client.callTool({ name: 'answer_job', arguments: { job_id, answers } });
  }
};

// Arguments and result have the types of the definition.
const { cakes, turns } = await callJob(
  client,
  bakeCake,
  { cakes: 3 },
  {
    onStatus: (state) => void answer(state),
    onProgress: ({ percent, message }) => console.log(`${percent} % ${message}`),
  },
);
console.log(`${cakes} cakes in ${turns} turns`);
await client.close();
