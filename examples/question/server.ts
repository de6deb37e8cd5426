import { local, serve } from 'mcp-async-jobs/http';

const server = await serve({
  jobs: new URL('./jobs.ts', import.meta.url),
  db: './question.db',
  identify: local(),
  port: Number(process.env['PORT'] ?? 3000),
});
console.log(server.url);
process.once('SIGTERM', () => void server.close());
