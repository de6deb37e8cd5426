export interface Connection {
  /** Of the MCP endpoint. */
  readonly url: string;
  readonly token: string;
  /** A plan to make codes for; null where there are none. */
  readonly planId: string | null;
}

/** How to connect the usual clients, ready to be pasted. */
export function clientConfigurations({ url, token, planId }: Connection): string {
  const headers = { Authorization: `Bearer ${token}` };
  const name = planId === null ? 'async-jobs' : 'access-codes';
  const cursor = { mcpServers: { [name]: { url, headers } } };
  const code = { servers: { [name]: { type: 'http', url, headers } } };
  const first =
    planId === null
      ? { name: 'list_jobs', arguments: {} }
      : {
          name: 'bulk_generate_access_codes',
          arguments: {
            plan_id: planId,
            quantity: 250,
            export_type: 'file',
            expiry_preset: 'no_expiry',
          },
        };
  const call = { jsonrpc: '2.0', id: 1, method: 'tools/call', params: first };
  const bearer = `"Authorization: Bearer ${token}"`;
  const sections: readonly (readonly [title: string, text: string])[] = [
    ['Claude Code', `claude mcp add --transport http ${name} ${url} --header ${bearer}`],
    ['Cursor (.cursor/mcp.json)', JSON.stringify(cursor, null, 2)],
    ['VS Code (.vscode/mcp.json)', JSON.stringify(code, null, 2)],
    [
      'Inspector',
      `npx @modelcontextprotocol/inspector --cli ${url} --transport http --header ${bearer} --method tools/list`,
    ],
    [
      'curl',
      [
        `curl -s ${url} -H ${bearer} -H "Content-Type: application/json"`,
        `-H "Accept: application/json, text/event-stream" -d '${JSON.stringify(call)}'`,
      ].join(' \\\n  '),
    ],
    [
      'This command line',
      [
        `export MCP_ASYNC_JOBS_URL=${url} MCP_ASYNC_JOBS_TOKEN=${token}`,
        `mcp-async-jobs call ${commandOf(first)}`,
      ].join('\n'),
    ],
  ];
  return sections.map(([title, text]) => `# ${title}\n${text}\n`).join('\n');
}

function commandOf(call: { readonly name: string; readonly arguments: object }): string {
  const pairs = Object.entries(call.arguments).map(([key, value]) => ` ${key}=${value}`);
  return `${call.name}${pairs.join('')}${pairs.length > 0 ? ' --wait' : ''}`;
}
