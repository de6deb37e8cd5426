/**
 * The Inspector's own CLI: its part of the matrix of clients (`test/clients`). Both generations, each
 * over HTTP and over stdio: submit, poll, cancel, answer a question, and go on from an id in a fresh
 * process. What asks and what looks are two connections, because a call of a tool lasts as long as
 * its task; over stdio these are two servers on one file.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { fileURLToPath } from 'node:url';
import { until } from '../support/until.ts';

export interface Step {
  readonly name: string;
  /** Why it failed, or null. */
  readonly problem: string | null;
}

type Data = Readonly<Record<string, unknown>>;
type Era = 'modern' | 'legacy';
type Connection = 'work' | 'look';

/** How long one command may take, in milliseconds. */
const COMMAND_MS = 30_000;
const BIN = fileURLToPath(new URL('../../bin/mcp-async-jobs.js', import.meta.url));
const JOBS = fileURLToPath(new URL('./jobs.ts', import.meta.url));

/** One generation over one transport, as the CLI sees it. */
class Inspector {
  readonly #bin: string;
  readonly #home = mkdtempSync(join(tmpdir(), 'mcp-async-jobs-inspector-'));
  readonly #target: readonly string[];
  /** Which of its daemons it is; those before were killed. */
  #daemon = 1;
  readonly era: Era;

  /** @param url null for a server that the CLI starts over stdio */
  constructor(bin: string, era: Era, url: string | null) {
    this.#bin = bin;
    this.era = era;
    const db = join(this.#home, 'jobs.db');
    this.#target =
      url === null
        ? ['--transport', 'stdio', '--', process.execPath, BIN, 'stdio', '--db', db, '--jobs', JOBS]
        : ['--transport', 'http', url];
  }

  /** Run one command, in a process of its own. */
  async run(...args: readonly string[]): Promise<Data> {
    const child = spawn(process.execPath, [this.#bin, '--format', 'json', ...args], {
      stdio: ['ignore', 'pipe', 'pipe'],
      timeout: COMMAND_MS,
      env: {
        PATH: process.env['PATH'],
        HOME: this.#home,
        MCP_ALLOW_DEFAULT_CONNECTION: '1',
        MCP_INSPECTOR_DAEMON_DIR: join(this.#home, `daemon-${this.#daemon}`),
        MCP_INSPECTOR_DAEMON_TOKEN: 'test',
        MCP_INSPECTOR_SECRET_STORE: 'file',
      },
    });
    const [out, errors] = await Promise.all([
      text(child.stdout),
      text(child.stderr),
      child.exitCode ?? once(child, 'exit'),
    ]);
    try {
      return JSON.parse(out) as Data;
    } catch {
      throw new Error(`${args.join(' ')}: ${out} ${errors}`);
    }
  }

  async connect(): Promise<void> {
    for (const name of ['work', 'look']) {
      const args = ['--connection', name, '--era', this.era, ...this.#target];
      const { protocolEra } = await this.run('connect', ...args);
      expect(protocolEra === this.era, protocolEra);
    }
  }

  call(on: Connection, tool: string, args: object, ...flags: readonly string[]): Promise<Data> {
    const given = ['--connection', on, '--tool-args-json', JSON.stringify(args)];
    return this.run('tools/call', tool, ...given, ...flags);
  }

  /** `data` of a tool's structured content. */
  async data(tool: string, args: object): Promise<Data> {
    const answer = await this.call('look', tool, args);
    const { data } = (answer['structuredContent'] ?? {}) as { readonly data?: Data };
    if (data === undefined) throw new Error(JSON.stringify(answer));
    return data;
  }

  task(verb: string, id: string, ...flags: readonly string[]): Promise<Data> {
    return this.run(`tasks/${verb}`, id, '--connection', 'look', ...flags);
  }

  /** Poll until a task has this status. */
  async taskIs(id: string, wanted: string): Promise<void> {
    await until(`${id} is ${wanted}`, async () => {
      const { task } = await this.task('get', id);
      return (task as Data)['status'] === wanted;
    });
  }

  /** The newest job, once it is another one than `before`: a call of a tool tells no id. */
  async newest(before?: string): Promise<string> {
    return until('there is a new job', async () => {
      const listed = await this.data('list_jobs', { limit: 1 });
      const [job] = listed as unknown as readonly { readonly job_id: string }[];
      return job?.job_id !== before && job?.job_id;
    });
  }

  /** Submit what asks; in 2026-07-28 the call itself ends with the question. */
  async ask(filename: string): Promise<{ readonly id: string; readonly asked: Data }> {
    if (this.era === 'legacy') {
      const { job_id } = await this.data('confirm_delete', { filename });
      return { id: String(job_id), asked: {} };
    }
    const before = await this.newest();
    const asked = await this.call('work', 'confirm_delete', { filename });
    return { id: await this.newest(before), asked };
  }

  /** End the daemon, which holds the connections and all that it knows, without a word. */
  async kill(): Promise<void> {
    const { pid } = await this.run('daemon', 'status');
    process.kill(Number(pid), 'SIGKILL');
    this.#daemon += 1;
  }

  async close(): Promise<void> {
    await this.run('daemon', 'stop').catch(() => {});
    rmSync(this.#home, { recursive: true, force: true });
  }
}

const YES = { confirm: true };
const SURE = { sure: { action: 'accept', content: YES } };

const DEEDS: Readonly<Record<string, (inspector: Inspector) => Promise<void>>> = {
  connects: (inspector) => inspector.connect(),
  async 'submits, and polls to the result'(inspector) {
    const flags = inspector.era === 'legacy' ? ['--task'] : [];
    const done = await inspector.call('work', 'slow_compute', { seconds: 1, label: 'x' }, ...flags);
    expect(JSON.stringify(done).includes('computed x'), done);
  },
  async cancels(inspector) {
    const before = await inspector.newest();
    const flags = inspector.era === 'legacy' ? ['--task'] : [];
    const call = inspector.call('work', 'slow_compute', { seconds: 600 }, ...flags);
    const ended = call.catch((error: unknown) => ({ error: String(error) }));
    const id = await inspector.newest(before);
    await inspector.taskIs(id, 'working');
    await inspector.task('cancel', id);
    await inspector.taskIs(id, 'cancelled');
    expect(JSON.stringify(await ended).includes('was cancelled'), await ended);
  },
  // Of 2025-11-25 the CLI polls a task, and never waits for the result, on which it would be asked:
  // there it answers with the tool.
  async 'answers a question'(inspector) {
    const { id, asked } = await inspector.ask('a.txt');
    if (inspector.era === 'modern') {
      const { elicitationId } = asked['elicitationPending'] as { readonly elicitationId: string };
      await inspector.run('elicitation/respond', elicitationId, JSON.stringify(YES));
    } else {
      await inspector.taskIs(id, 'input_required');
      await inspector.data('answer_job', { job_id: id, answers: SURE });
    }
    await inspector.taskIs(id, 'completed');
    const result = await inspector.task('result', id);
    expect(JSON.stringify(result).includes('deleted a.txt'), result);
  },
  async 'goes on from an id in a fresh process'(inspector) {
    const { id } = await inspector.ask('b.txt');
    await inspector.taskIs(id, 'input_required');
    await inspector.kill();
    await inspector.connect();
    await inspector.taskIs(id, 'input_required');
    if (inspector.era === 'modern') {
      await inspector.task('update', id, '--input-responses', JSON.stringify(SURE));
    } else {
      await inspector.data('answer_job', { job_id: id, answers: SURE });
    }
    await inspector.taskIs(id, 'completed');
    const result = await inspector.task('result', id);
    expect(JSON.stringify(result).includes('deleted b.txt'), result);
  },
  async 'reads a result as a resource'(inspector) {
    const uri = `mcp-async-jobs://jobs/${await inspector.newest()}/result`;
    const read = await inspector.run('resources/read', uri);
    expect(JSON.stringify(read).includes('deleted b.txt'), read);
  },
};

function expect(isRight: boolean, seen: unknown): void {
  if (!isRight) throw new Error(`saw ${JSON.stringify(seen)}`);
}

/**
 * @param bin the CLI
 * @param url of a server over HTTP
 */
export async function inspect(bin: string, url: string): Promise<readonly Step[]> {
  const steps: Step[] = [];
  for (const [transport, address] of [
    ['HTTP', url],
    ['stdio', null],
  ] as const) {
    for (const era of ['modern', 'legacy'] as const) {
      const inspector = new Inspector(bin, era, address);
      for (const [deed, work] of Object.entries(DEEDS)) {
        const problem = await work(inspector).then(
          () => null,
          (error: unknown) => String(error),
        );
        steps.push({ name: `${era}, over ${transport}, ${deed}`, problem });
      }
      await inspector.close();
    }
  }
  return steps;
}
