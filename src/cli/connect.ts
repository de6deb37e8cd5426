/**
 * Callers' commands: one connection to the server, on the official client.
 */
import { Client, StreamableHTTPClientTransport } from '@modelcontextprotocol/client';
import { troubleOf } from '../client/trouble.ts';
import { CliError } from './exit.ts';
import { packageVersion } from './version.ts';

export interface CallerOptions {
  readonly url: string;
  readonly token?: string;
  readonly json?: boolean;
}

/**
 * Connect, use, and disconnect.
 *
 * @throws JobError for every trouble with the server
 */
export async function withClient<T>(
  { url, token }: CallerOptions,
  use: (client: Client) => Promise<T>,
): Promise<T> {
  const client = new Client(
    { name: 'mcp-async-jobs-cli', version: packageVersion() },
    { versionNegotiation: { mode: 'auto' } },
  );
  const requestInit = { headers: authorization(token) };
  try {
    await client.connect(new StreamableHTTPClientTransport(new URL(url), { requestInit }));
    return await use(client);
  } catch (thrown) {
    throw knownError(thrown);
  } finally {
    await client.close().catch(() => {});
  }
}

/** @throws CliError for a text that no header can carry; it is not in the message */
export function authorization(token: string | undefined): Record<string, string> {
  if (token !== undefined && !/^[\x21-\x7e]+$/.test(token)) {
    throw new CliError('USAGE', 'The token has characters that no token has, or it is empty.', {
      remediation: 'Give it whole and without quotes or line breaks.',
    });
  }
  return token === undefined ? {} : { authorization: `Bearer ${token}` };
}

/** Errors of the transport become those of the table; ours stay as they are. */
function knownError(thrown: unknown): unknown {
  const isOurs = thrown instanceof Error && ['CliError', 'FailedJob'].includes(thrown.name);
  return isOurs ? thrown : troubleOf(thrown).error;
}
