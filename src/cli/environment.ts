/**
 * Secrets that come by the environment are taken out of it, so that no child process and no crash
 * report inherits them. Everything else of the environment is an option of commander.
 */
export const ENVIRONMENT_HELP = `
Environment:
  MCP_ASYNC_JOBS_DB         the SQLite file or postgres://..., as --db
  DATABASE_URL              postgres://..., when neither --db nor MCP_ASYNC_JOBS_DB is given
  MCP_ASYNC_JOBS_URL        the MCP endpoint, as --url
  MCP_ASYNC_JOBS_TOKEN      who calls, as --token
  MCP_ASYNC_JOBS_KEY        key of the access codes (base64url of 32 bytes), in place of a key file
  MCP_ASYNC_JOBS_LOG_LEVEL  as --log-level`;

/** The value of a variable, which is then gone; undefined when it is not set or empty. */
export function takeSecret(name: string): string | undefined {
  const value = process.env[name];
  delete process.env[name];
  return value === '' ? undefined : value;
}
