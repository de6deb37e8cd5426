/** A server in a process of its own, to be killed: `server-process.ts DB PORT`. Prints its address. */
import { local, serve } from '../../src/http.ts';
import { JOBS } from './fixture.ts';

const [db = '', port = '0'] = process.argv.slice(2);
const serving = await serve({ jobs: JOBS, db, identify: local(), port: Number(port) });
process.stdout.write(`${serving.url}\n`);
process.once('SIGTERM', () => void serving.close({ graceMs: 0 }));
