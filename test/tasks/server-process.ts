/** A server with one worker, in a process of its own. Argument: JSON with `db` and `port`. */
import { local, serve } from '../../src/http.ts';

const { db, port } = JSON.parse(process.argv[2] ?? '{}') as { db: string; port: number };
const serving = await serve({
  jobs: new URL('./jobs.ts', import.meta.url),
  db,
  port,
  identify: local(),
  rateLimit: 0,
});
const say = () => {
  const workers = serving.workerPids();
  process.stdout.write(`${JSON.stringify({ event: 'listening', url: serving.url, workers })}\n`);
};
say();
process.on('message', say);
