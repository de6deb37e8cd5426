/** What stands in every table of a database, to tell whether anything was changed. */
import { createHash } from 'node:crypto';
import { DatabaseSync } from 'node:sqlite';
import { Client } from 'pg';

export interface Table {
  readonly rows: number;
  readonly digest: string;
}

/** Tables in which the server notes by itself that it lives. */
const OWN_NOTES = new Set(['workers', 'probe']);
/** Columns that every call of a valid token may move. */
const NOTED = new Set(['last_used_at']);

export type Tables = Readonly<Record<string, Table>>;

export function tablesOf(file: string): Tables {
  return read(file, (database, name) => {
    const digest = createHash('sha256');
    let rows = 0;
    for (const row of database.prepare(`SELECT * FROM "${name}"`).iterate()) {
      rows += 1;
      digest.update(
        JSON.stringify(row, (key, value: unknown) => (NOTED.has(key) ? 0 : plain(value))),
      );
    }
    return { rows, digest: digest.digest('hex') };
  });
}

const POSTGRES_TABLES = `SELECT tablename AS name FROM pg_tables WHERE schemaname = 'public'`;

/** The same, of a database of PostgreSQL. */
export async function tablesAt(url: string): Promise<Tables> {
  const client = new Client({ connectionString: url });
  await client.connect();
  try {
    await client.query('BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY');
    const { rows: tables } = await client.query<{ name: string }>(POSTGRES_TABLES);
    const found: Record<string, Table> = {};
    for (const { name } of tables.filter((table) => !OWN_NOTES.has(table.name))) {
      const columns = [...NOTED].map((column) => `'${column}'`).join(', ');
      // Where a row lies in the table is nothing that it says.
      const text = `SELECT (to_jsonb(t) - ARRAY[${columns}])::text AS row FROM "${name}" t ORDER BY 1`;
      const { rows } = await client.query<{ row: string }>(text);
      const digest = createHash('sha256').update(JSON.stringify(rows)).digest('hex');
      found[name] = { rows: rows.length, digest };
    }
    return found;
  } finally {
    await client.end();
  }
}

/** Everything that is in any column of any table, as text. */
export function textOfTables(file: string): string {
  const texts = read(file, (database, name) =>
    database
      .prepare(`SELECT * FROM "${name}"`)
      .all()
      .flatMap((row) => Object.values(row))
      .map((value) => (value instanceof Uint8Array ? bytesAsText(value) : String(value)))
      .join('\n'),
  );
  return Object.values(texts).join('\n');
}

function bytesAsText(value: Uint8Array): string {
  const bytes = Buffer.from(value);
  return [bytes.toString('latin1'), bytes.toString('base64'), bytes.toString('hex')].join('\n');
}

function read<T>(
  file: string,
  look: (database: DatabaseSync, table: string) => T,
): Readonly<Record<string, T>> {
  const database = new DatabaseSync(file, { readOnly: true });
  try {
    database.exec('BEGIN');
    const tables = database
      .prepare(`SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%'`)
      .all()
      .map(({ name }) => String(name))
      .filter((name) => !OWN_NOTES.has(name));
    return Object.fromEntries(tables.map((name) => [name, look(database, name)]));
  } finally {
    database.close();
  }
}

function plain(value: unknown): unknown {
  if (typeof value === 'bigint') return String(value);
  return value instanceof Uint8Array ? Buffer.from(value).toString('hex') : value;
}
