/**
 * Clients that others wrote, each through its own surface: submit, cancel, answer, and go on from an
 * id after kill -9 of the server or of the worker.
 */
import assert from 'node:assert/strict';
import { test, type TestContext } from 'node:test';
import { startScript, type Script } from '../support/child.ts';
import { tempFolder } from '../support/temp.ts';
import { until } from '../support/until.ts';
import { CLIENTS, type Answers, type JobClient } from './clients.ts';
import { plain } from './wire.ts';

const SERVER = new URL('./server-process.ts', import.meta.url);

interface Running {
  readonly url: string;
  /** kill -9 of the server, and a new one on the same file and port. */
  restart(): Promise<void>;
  killWorker(): Promise<void>;
}

async function start(t: TestContext): Promise<Running> {
  const db = `${tempFolder(t)}/jobs.db`;
  let server: Script = startScript(t, SERVER, { db, port: 0 });
  const { url } = (await server.said('listening')) as { url: string };
  const port = Number(new URL(url).port);
  return {
    url,
    async restart() {
      server.kill('SIGKILL');
      await server.ended;
      server = startScript(t, SERVER, { db, port });
      await server.said('listening');
    },
    async killWorker() {
      const before = server.lines.length;
      server.send({});
      const said = await until('the workers are told', () => server.lines[before]);
      const [pid] = said['workers'] as number[];
      assert.ok(pid);
      process.kill(pid, 'SIGKILL');
    },
  };
}

const FIRST: Answers = {
  colour: { action: 'accept', content: { colour: 'red' } },
  size: { action: 'accept', content: { size: 3 } },
};
const SECOND: Answers = { sure: { action: 'accept', content: { sure: true } } };

for (const [title, connect] of Object.entries(CLIENTS)) {
  test(`${title} does all that there is, through every death`, { timeout: 60_000 }, async (t) => {
    const server = await start(t);
    const { url } = server;
    /** Each step by an instance of its own. */
    const by = async <T>(step: (client: JobClient) => Promise<T>): Promise<T> => {
      const client = await connect(url);
      try {
        return await step(client);
      } finally {
        await client.close();
      }
    };
    const view = async (job_id: string) => (await plain(url, 'get_job_status', { job_id })).data;

    const sum = await by((client) => client.submit('add', { a: 1, b: 2 }));
    await server.restart();
    const { data } = (await by((client) => client.result(sum))) as { data: { sum: number } };
    assert.equal(data.sum, 3, 'the server died between create and get');

    const nap = await by((client) => client.submit('nap', { ms: 700 }));
    await until('it runs', async () => (await view(nap)).status === 'running');
    await server.killWorker();
    const slept = await by((client) => client.result(nap));
    assert.deepEqual(slept, { data: { slept: true } }, 'the worker died in the middle');

    const survey = await by((client) => client.submit('survey', {}));
    await until('it asks', async () => (await view(survey)).input_requests);
    await server.killWorker();
    await by((client) => client.answer(survey, FIRST));
    await until('it asks again', async () => (await view(survey)).input_requests?.sure);
    await server.restart();
    await by((client) => client.answer(survey, SECOND));
    const painted = await by((client) => client.result(survey));
    assert.deepEqual(painted, { data: { painted: 'red in size 3' } });

    const unwanted = await by((client) => client.submit('nap', { ms: 60_000 }));
    await by((client) => client.cancel(unwanted));
    assert.deepEqual(await by((client) => client.result(unwanted)), { cancelled: true });
  });
}
