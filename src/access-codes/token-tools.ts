import type { McpServer } from '@modelcontextprotocol/server';
import { z } from 'zod';
import { listTokens, type TokenInfo, type ToolContext } from '../http.ts';
import { toWireTime } from '../index.ts';
import { answer, AT_ONCE, HINTS, meta } from './answers.ts';

/** An answer has to stay small; who holds more tokens than this sees the newest. */
const SHOWN_MAX = 100;

const LIST_TOKENS = {
  title: 'List tokens',
  description: `Your own tokens in this team, newest 100 first, without their secrets. ${AT_ONCE}`,
  inputSchema: z.object({}),
  outputSchema: z.object({
    data: z.array(
      z.looseObject({ id: z.string(), name: z.string(), abilities: z.array(z.string()) }),
    ),
    meta,
  }),
  annotations: HINTS.looks,
};

export function registerTokenTools(mcp: McpServer, { who, store }: ToolContext): void {
  mcp.registerTool('list_tokens', LIST_TOKENS, async () => {
    const tokens = await listTokens(store, who);
    const shown = tokens.slice(0, SHOWN_MAX).map(toToken);
    const has_more = tokens.length > SHOWN_MAX;
    return answer({ data: shown, meta: { total: tokens.length, has_more } });
  });
}

function toToken(token: TokenInfo) {
  return {
    id: token.id,
    name: token.name,
    abilities: token.abilities,
    abilities_count: token.abilities.length,
    scopes: { team_id: token.team_id, project_ids: token.project_ids },
    last_used_at: token.last_used_at === null ? null : toWireTime(token.last_used_at),
    expires_at: token.expires_at === null ? null : toWireTime(token.expires_at),
    created_at: toWireTime(token.created_at),
  };
}
