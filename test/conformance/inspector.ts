/**
 * The Inspector's own CLI against the same server: submit, poll, answer a question, cancel, and go
 * on from an id in a fresh process, in both generations.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';

export interface Step {
  readonly name: string;
  /** Why it failed, or null. */
  readonly problem: string | null;
}

type Answer = Readonly<Record<string, unknown>>;
type Data = Readonly<Record<string, unknown>>;

/** How long one command may take, in milliseconds. */
const COMMAND_MS = 30_000;

/** One generation, as the CLI sees it. */
class Inspector {
  readonly #bin: string;
  readonly #url: string;
  readonly #home = mkdtempSync(join(tmpdir(), 'mcp-async-jobs-inspector-'));
  readonly era: 'modern' | 'legacy';

  constructor(bin: string, url: string, era: 'modern' | 'legacy') {
    this.#bin = bin;
    this.#url = url;
    this.era = era;
  }

  /** Run one command, in a process of its own. */
  async run(...args: readonly string[]): Promise<Answer> {
    const child = spawn(process.execPath, [this.#bin, '--format', 'json', ...args], {
      stdio: ['ignore', 'pipe', 'pipe'],
      timeout: COMMAND_MS,
      env: {
        PATH: process.env['PATH'],
        HOME: this.#home,
        MCP_ALLOW_DEFAULT_CONNECTION: '1',
        MCP_INSPECTOR_DAEMON_DIR: join(this.#home, 'daemon'),
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
      return JSON.parse(out) as Answer;
    } catch {
      throw new Error(`${args.join(' ')}: ${out} ${errors}`);
    }
  }

  async connect(): Promise<void> {
    const args = [this.#url, '--transport', 'http', '--era', this.era];
    const { protocolEra } = await this.run('connect', ...args);
    expect(protocolEra === this.era, protocolEra);
  }

  /** `data` of a tool's structured content. */
  async data(tool: string, args: object, ...flags: readonly string[]): Promise<Data> {
    const given = ['--tool-args-json', JSON.stringify(args)];
    const answer = await this.run('tools/call', tool, ...given, ...flags);
    const { data } = (answer['structuredContent'] ?? {}) as { readonly data?: Data };
    if (data === undefined) throw new Error(JSON.stringify(answer));
    return data;
  }

  async stop(): Promise<void> {
    await this.run('daemon', 'stop').catch(() => {});
  }

  async close(): Promise<void> {
    await this.stop();
    rmSync(this.#home, { recursive: true, force: true });
  }
}

const STEPS: Readonly<Record<string, (inspector: Inspector) => Promise<void>>> = {
  connects: (inspector) => inspector.connect(),
  'runs a task to its result': async (inspector) => {
    const flags = inspector.era === 'legacy' ? ['--task'] : [];
    const done = await inspector.data('slow_compute', { seconds: 1, label: 'x' }, ...flags);
    expect(done['text'] === 'computed x', done);
  },
  'answers a question': async (inspector) => {
    const args = { filename: 'a.txt' };
    if (inspector.era === 'modern') {
      const given = ['--tool-args-json', JSON.stringify(args)];
      const asked = await inspector.run('tools/call', 'confirm_delete', ...given);
      const { elicitationId } = asked['elicitationPending'] as { readonly elicitationId: string };
      const ended = await inspector.run('elicitation/respond', elicitationId, 'confirm:=true');
      expect(JSON.stringify(ended).includes('deleted a.txt'), ended);
      return;
    }
    const { job_id } = await inspector.data('confirm_delete', args);
    await inspector.data('get_job_status', { job_id, wait_seconds: 10 });
    const answers = { sure: { action: 'accept', content: { confirm: true } } };
    await inspector.data('answer_job', { job_id, answers });
    const ended = await inspector.data('get_job_status', { job_id, wait_seconds: 10 });
    expect(JSON.stringify(ended['result']).includes('deleted a.txt'), ended);
  },
  'goes on from an id in a fresh process, and cancels': async (inspector) => {
    const { data: listed } = await listOf(inspector);
    const known = listed[0]?.['job_id'];
    expect(typeof known === 'string', listed);
    await inspector.stop();
    await inspector.connect();
    const view = await inspector.data('get_job_status', { job_id: known });
    expect(view['status'] === 'completed', view);
    const cancelled = await inspector.data('cancel_job', { job_id: known });
    expect(cancelled['status'] === 'completed', cancelled);
  },
  'reads a result as a resource': async (inspector) => {
    const { data: listed } = await listOf(inspector);
    const uri = `mcp-async-jobs://jobs/${String(listed[0]?.['job_id'])}/result`;
    const read = await inspector.run('resources/read', uri);
    expect(JSON.stringify(read).includes('a.txt'), read);
  },
};

async function listOf(inspector: Inspector): Promise<{ readonly data: readonly Data[] }> {
  const answer = await inspector.run('tools/call', 'list_jobs');
  return answer['structuredContent'] as { readonly data: readonly Data[] };
}

function expect(isRight: boolean, seen: unknown): void {
  if (!isRight) throw new Error(`saw ${JSON.stringify(seen)}`);
}

/** @param bin the CLI */
export async function inspect(bin: string, url: string): Promise<readonly Step[]> {
  const steps: Step[] = [];
  for (const era of ['modern', 'legacy'] as const) {
    const inspector = new Inspector(bin, url, era);
    for (const [title, work] of Object.entries(STEPS)) {
      const problem = await work(inspector).then(
        () => null,
        (error: unknown) => String(error),
      );
      steps.push({ name: `${era} ${title}`, problem });
    }
    await inspector.close();
  }
  return steps;
}
