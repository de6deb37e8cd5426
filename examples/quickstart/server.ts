import { local, serve } from 'mcp-async-jobs/http';

const jobs = new URL('./jobs.ts', import.meta.url);
const port = Number(process.env['PORT'] ?? 3000);
const server = await serve({ jobs, db: './quickstart.db', identify: local(), port });
console.log(server.url);
process.once('SIGTERM', () => void server.close());
process.once('SIGINT', () => void server.close());
