/** The checks of the database file: what it is, what it holds, and who works on it. */
import { existsSync, statfsSync, statSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import { ACCESS_CODE_MIGRATIONS } from '../../access-codes/sqlite/migrations.ts';
import { now } from '../../job/clock.ts';
import { statusFor } from '../../store/migrations.ts';
import { inspect, type Inspection } from '../../store/sqlite/inspect.ts';
import { JOBS_MIGRATIONS } from '../../store/sqlite/migrations.ts';
import { TEAM_MIGRATIONS } from '../../team/sqlite/migrations.ts';
import { error, ok, warning, type Finding } from './finding.ts';
import { checkQueue, OVERDUE_MS, SOON_MS } from './queue.ts';

export interface DatabaseOptions {
  readonly db: string;
  readonly keyFile: string;
  readonly retentionMs: number;
}

const MIB = 1_048_576;
const FREE = { error: 64 * MIB, warning: 1_024 * MIB };
const KNOWN = [JOBS_MIGRATIONS, TEAM_MIGRATIONS, ACCESS_CODE_MIGRATIONS];

export function checkDatabase({ db, keyFile, retentionMs }: DatabaseOptions): Finding[] {
  const path = resolve(db);
  const disk = checkDisk(path);
  if (!existsSync(path)) {
    const fix = 'Name it with --db or MCP_ASYNC_JOBS_DB; `start` makes one.';
    return [disk, error('database', `There is no database at ${path}.`, fix)];
  }
  const files = [
    checkMode('database', path),
    ...(existsSync(keyFile) ? [checkMode('key file', keyFile)] : []),
  ];
  let seen: Inspection;
  try {
    seen = inspect(path, { overdueMs: OVERDUE_MS, retentionMs, soonMs: SOON_MS, known: KNOWN });
  } catch (thrown) {
    const why = thrown instanceof Error ? thrown.message : String(thrown);
    const fix = 'Name a database of this program, or restore the file from a backup.';
    return [disk, ...files, error('integrity', `${path} cannot be read: ${why}.`, fix)];
  }
  return [
    disk,
    ...files,
    checkIntegrity(seen),
    ...checkLog(seen),
    checkSettings(seen),
    ...KNOWN.flatMap(({ namespace, sqlite }) => checkSchema(seen, namespace, sqlite.length)),
    ok('clock', `It is ${new Date(now()).toISOString()} here.`),
    ...checkQueue({ ...seen, aheadMs: seen.newestAt === null ? 0 : seen.newestAt - now() }),
  ];
}

function checkDisk(path: string): Finding {
  const folder = dirname(path);
  if (!existsSync(folder)) return error('disk', `There is no folder ${folder}.`, 'Make it.');
  const { bavail, bsize } = statfsSync(folder);
  const free = bavail * bsize;
  const message = `${Math.floor(free / MIB).toLocaleString('en-US')} MiB are free in ${folder}.`;
  const fix = 'Make room: a full disk refuses new jobs, and lets no running one end.';
  if (free < FREE.error) return error('disk', message, fix);
  return free < FREE.warning ? warning('disk', message, fix) : ok('disk', message);
}

/** Nobody but the user whose server it is may read them. */
function checkMode(check: string, path: string): Finding {
  const mode = statSync(path).mode & 0o777;
  const message = `${path} has mode ${mode.toString(8).padStart(4, '0')}.`;
  if ((mode & 0o077) === 0) return ok(check, message);
  return error(check, `${message} Others can use it.`, `chmod 600 ${path}`);
}

function checkIntegrity({ damage: inFile, changed }: Inspection): Finding {
  const damage = [...inFile, ...changed.map((name) => `${name} is not as it was made`)];
  if (damage.length === 0) return ok('integrity', 'integrity_check finds nothing.');
  const fix = 'Stop every server on it, keep the file, and restore a backup.';
  return error('integrity', `The file is damaged: ${damage[0]}.`, fix);
}

function checkLog({ broken }: Inspection): Finding[] {
  if (broken === null) return [];
  const message = `The log of the newest commits breaks off at frame ${broken.frame}; ${broken.behind} behind it are not read.`;
  const fix =
    'After a power cut nobody was told of these. Else the disk has changed the log, and jobs of the last minutes are gone: look at the disk, and compare with a backup.';
  return [warning('log', message, fix)];
}

function checkSettings({ sqlite, journal }: Inspection): Finding {
  const message = `SQLite ${sqlite}, journal mode ${journal}.`;
  if (journal === 'wal') return ok('settings', message);
  return error('settings', message, 'Start the server on it once: it sets WAL again.');
}

function checkSchema({ schema }: Inspection, namespace: string, known: number): Finding[] {
  // The tables of an application that was never run here.
  if (!schema.has(namespace) && namespace !== 'jobs') return [];
  const { found, compatible } = statusFor(namespace, known, schema.get(namespace));
  const message = `The tables "${namespace}" are at version ${found} of ${known}.`;
  if (compatible) return [ok('schema', message)];
  return found > known
    ? [error('schema', message, 'Install a version of this program that is at least as new.')]
    : [
        warning(
          'schema',
          message,
          'Stop all servers on it and start one: it brings them up to date.',
        ),
      ];
}
