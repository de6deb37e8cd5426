/**
 * Serves spoiled copies of a database, one after another, and says of each how it went: what the
 * start, `doctor` and the server said, and whatever was answered that must not be.
 */
import { writeSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { accessCodes } from '../../src/access-codes/app.ts';
import { checkDatabase } from '../../src/cli/doctor/database.ts';
import { serve, tokens } from '../../src/http.ts';
import { newId } from '../../src/job/ids.ts';
import { SILENT } from '../../src/job/log.ts';
import { openStore } from '../../src/sqlite.ts';
import { callTool, isFields, type Fields } from '../contract/wire.ts';
import { until } from '../support/until.ts';
import { MIGRATIONS } from './address.ts';

export interface SpoiledOptions {
  /** Of the files; the key lies beside each. */
  readonly paths: readonly string[];
  /** Tokens of whose jobs they are, and of somebody of another team. */
  readonly owner: string;
  readonly stranger: string;
  readonly jobs: readonly string[];
  /** Arguments of a call that makes a batch. */
  readonly batch: Fields;
}

/** How it went with one copy. */
export interface Spoiled {
  readonly path: string;
  /** Every row of every table, or why it cannot be read. */
  readonly rows: string;
  /** Who said that it is spoiled, and how. */
  readonly named: readonly string[];
  /** By job what its owner was told, without what differs from call to call. */
  readonly told: Readonly<Record<string, string>>;
  readonly wrong: readonly string[];
  /** What did not work; where somebody says that the file is spoiled, that may be. */
  readonly failed: readonly string[];
}

const options = JSON.parse(process.argv[2] ?? '{}') as SpoiledOptions;
const ANSWERS_MS = 10_000;
/** What a caller must never read. */
const INSIDE = /sqlite|syntaxerror|typeerror|malformed|unexpected token|node:|\.ts\b/i;

function rowsOf(path: string): string {
  try {
    const db = new DatabaseSync(path, { readOnly: true });
    try {
      const tables = db
        .prepare(`SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY name`)
        .all();
      const rows = tables.map(({ name }) => [
        name,
        db.prepare(`SELECT * FROM "${String(name)}" NOT INDEXED`).all(),
      ]);
      return JSON.stringify(rows);
    } finally {
      db.close();
    }
  } catch (error) {
    return `unreadable: ${String(error)}`;
  }
}

async function look(path: string): Promise<Spoiled> {
  const rows = rowsOf(path);
  const keyFile = join(dirname(path), 'key');
  const named = checkDatabase({ db: path, keyFile, retentionMs: 1e10 })
    .filter(({ level, check }) => check === 'log' || (level === 'error' && check !== 'workers'))
    .map(({ message }) => `doctor: ${message}`);
  const told: Record<string, string> = {};
  const wrong: string[] = [];
  const failed: string[] = [];
  let isOver = false;
  try {
    const store = await openStore(path, {
      migrations: MIGRATIONS,
      onFatal(reason) {
        isOver = true;
        named.push(`stopped: ${reason}`);
      },
    });
    const codes = await accessCodes(store, { keyFile, quantityMax: 10_000 });
    const identify = tokens(store);
    const serving = await serve({
      ...codes,
      db: store,
      identify,
      port: 0,
      rateLimit: 0,
      inProcess: true,
      concurrency: 4,
      log: SILENT,
    });
    await ask(serving.url, { told, wrong, failed, isOver: () => isOver });
    // The thread of a database that broke answers nobody any more.
    if (!isOver) {
      await serving.close({ graceMs: 1_000 });
      await store.close();
    }
  } catch (error) {
    const text = error instanceof Error ? error.message : String(error);
    named.push(`start: ${text}`);
    if (error instanceof TypeError || error instanceof SyntaxError)
      wrong.push(`the start ended with ${error.name}: ${text}`);
  }
  return { path, rows, named, told, wrong, failed };
}

interface Asked {
  readonly told: Record<string, string>;
  readonly wrong: string[];
  readonly failed: string[];
  readonly isOver: () => boolean;
}

async function ask(url: string, { told, wrong, failed, isOver }: Asked): Promise<void> {
  const call = async (token: string, tool: string, args: Fields) => {
    if (isOver()) return null;
    const asked = callTool({ url, token }, tool, args, { timeoutMs: ANSWERS_MS, patient: false });
    // A server whose database broke has ended, so it answers nothing.
    const gone = until('it is over', isOver, { ms: ANSWERS_MS }).then(() => null);
    gone.catch(() => {});
    const answer = await Promise.race([asked, gone]).catch((error: unknown) => String(error));
    if (isOver()) return null;
    if (typeof answer === 'string' || answer === null) {
      wrong.push(`${tool} was not answered: ${answer}`);
      return null;
    }
    const error = answer.body['error'];
    const isMute = isFields(error) && /failed inside/.test(String(error['message']));
    if (isMute) failed.push(`${tool} was answered with an internal error`);
    if (isFields(error) && INSIDE.test(answer.text))
      wrong.push(`${tool} was answered ${answer.text.slice(0, 300)}`);
    return answer;
  };
  const { owner, stranger, jobs, batch } = options;
  for (const job of jobs) {
    const own = await call(owner, 'get_job_status', { job_id: job });
    if (own) told[job] = own.text.replaceAll(/req_[0-9A-Z]+|127\.0\.0\.1:\d+/g, '');
    const foreign = await call(stranger, 'get_job_status', { job_id: job });
    if (foreign && isFields(foreign.body['data'])) wrong.push(`${job} was shown to a stranger`);
  }
  await call(owner, 'list_jobs', { limit: 50 });
  const listed = await call(stranger, 'list_jobs', { limit: 50 });
  const seen = (listed?.body['data'] ?? []) as readonly Fields[];
  for (const one of Array.isArray(seen) ? seen : [])
    if (jobs.includes(String(one['job_id']))) wrong.push('a stranger was shown a list with it');
  await call(owner, 'list_access_codes', {});
  await goesOn((tool, args) => call(owner, tool, args), { batch, isOver, failed });
}

interface GoesOn {
  readonly batch: Fields;
  readonly isOver: () => boolean;
  readonly failed: string[];
}

/** Whatever is spoiled, a job that is submitted now is run. */
async function goesOn(
  call: (tool: string, args: Fields) => Promise<{ readonly body: Fields } | null>,
  { batch, isOver, failed }: GoesOn,
): Promise<void> {
  const key = newId('key');
  const answer = await call('bulk_generate_access_codes', { ...batch, idempotency_key: key });
  const data = answer?.body['data'];
  // Its plan, its token or its team may be what is spoiled.
  if (!isFields(data)) return;
  const isEnded = async (): Promise<boolean> => {
    const now = await call('get_job_status', { job_id: data['job_id'] });
    const view = now?.body['data'];
    return isOver() || !isFields(view) || ['completed', 'failed'].includes(String(view['status']));
  };
  await until('it has ended', isEnded, { ms: ANSWERS_MS, everyMs: 20 }).catch(() =>
    failed.push('a new job is never run'),
  );
}

const say = (line: object) => writeSync(1, `${JSON.stringify(line)}\n`);
for (const path of options.paths) {
  say({ event: 'begins', path });
  say({ event: 'looked', ...(await look(path)) });
}
process.exit(0);
