/** The checks of a PostgreSQL database: whether it can be used, its tables, and who works on it. */
import { ACCESS_CODE_MIGRATIONS } from '../../access-codes/sqlite/migrations.ts';
import type { NamespaceStatus } from '../../store/migrations.ts';
import { shownDatabase } from '../database-address.ts';
import { openDatabase } from '../database.ts';
import { localError } from '../exit.ts';
import { statusOfDatabase } from '../migrating.ts';
import { error, ok, warning, type Finding } from './finding.ts';

const FIX = 'Correct that: see the page on running many servers, docs/scale-out.md.';

export async function checkPostgres(db: string): Promise<Finding[]> {
  try {
    const tables = (await statusOfDatabase(db, [ACCESS_CODE_MIGRATIONS])).flatMap(checkTables);
    if (tables.some(({ level }) => level === 'error')) return tables;
    const store = await openDatabase(db, { migrate: false, connections: 2 });
    try {
      const { writable, workers } = await store.health();
      return [
        ...tables,
        writable
          ? ok('database', `${shownDatabase(db)} takes writes, and keeps what it is given.`)
          : error('database', `${shownDatabase(db)} takes no writes.`, FIX),
        workers > 0
          ? ok('workers', `Workers alive: ${workers}.`)
          : warning('workers', 'No worker is alive.', 'Start a server, or `worker` beside it.'),
      ];
    } finally {
      await store.close();
    }
  } catch (thrown) {
    const known = localError(thrown, db);
    return [error('database', known instanceof Error ? known.message : String(known), FIX)];
  }
}

function checkTables({ namespace, found, wanted }: NamespaceStatus): Finding[] {
  // The tables of an application that was never run here.
  if (found === 0 && namespace === ACCESS_CODE_MIGRATIONS.namespace) return [];
  const message = `The tables "${namespace}" are at version ${found} of ${wanted}.`;
  if (found === wanted) return [ok('schema', message)];
  return [
    found > wanted
      ? error('schema', message, 'Install a version of this program that is at least as new.')
      : error('schema', message, 'Run: mcp-async-jobs migrate apply'),
  ];
}
