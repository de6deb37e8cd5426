/**
 * What `--db` names: a SQLite file, or a PostgreSQL database by its address. The address may hold a
 * password, which is shown nowhere.
 */

export const SQLITE_FILE = './mcp-async-jobs.db';

const PASSWORD = /(\b(?:https?|postgres(?:ql)?):\/\/[^\s:@/"]*):[^\s/@"]*@/g;
const PASSWORD_PARAMETER = /([?&](?:password|sslpassword)=)[^&\s"']+/g;

export function isPostgres(db: string): boolean {
  return /^postgres(ql)?:/.test(db);
}

/** What a server or a worker uses when neither `--db` nor MCP_ASYNC_JOBS_DB is given. */
export function databaseByDefault(): string {
  const url = process.env['DATABASE_URL'] ?? '';
  return isPostgres(url) ? url : SQLITE_FILE;
}

/** Out of the environment, so that no child process inherits the password. */
export function forgetDatabaseAddress(): void {
  for (const name of ['DATABASE_URL', 'MCP_ASYNC_JOBS_DB']) {
    if (isPostgres(process.env[name] ?? '')) delete process.env[name];
  }
}

/** The file, or server and database without password and parameters. */
export function shownDatabase(db: string): string {
  if (!isPostgres(db)) return db;
  const url = URL.parse(db);
  if (url === null) return 'postgres://...';
  const user = url.username === '' ? '' : `${url.username}@`;
  return `postgres://${user}${url.host}${url.pathname}`;
}

/** The text with the password of every address in it made unreadable. */
export function withoutPasswords(text: string): string {
  if (!text.includes('://')) return text;
  return text.replaceAll(PASSWORD, '$1:[secret]@').replaceAll(PASSWORD_PARAMETER, '$1[secret]');
}
