/**
 * The export of a batch over HTTP: the one place that shows codes. The address is no secret and
 * proves nothing; a token of the batch's own team and owner is needed.
 */
import type { Hono } from 'hono';
import type { RouteContext } from '../http.ts';
import { JobError, now, type Store } from '../index.ts';
import { boundsOf, demand, notFound } from './access.ts';
import { toCsv } from './csv.ts';
import { deriveKeys } from './keys.ts';
import { unseal } from './seal.ts';
import { settingsOf, type AccessCodeSettings } from './settings.ts';
import { getExport, wipeExports } from './statements.ts';

const FILE = /^(btc_[0-9A-HJKMNP-TV-Z]{26})\.csv$/;

const PROTECTED = {
  'Cache-Control': 'no-store',
  'X-Content-Type-Options': 'nosniff',
};

/** `GET /batches/<batch_id>.csv`; errors are thrown as `JobError`. */
export function registerRoutes(app: Hono, context: RouteContext): void {
  const { store, identify } = context;
  app.get('/batches/:file', async (c) => {
    const [, id] = FILE.exec(c.req.param('file')) ?? [];
    const who = await identify(c.req.raw);
    if (who === null) {
      c.header('WWW-Authenticate', 'Bearer');
      return c.text(howToFetch(id ?? '<batch_id>', context.publicUrl), 401, PROTECTED);
    }
    // Whoever may make codes may read the own ones; seeing masked ones is not enough.
    demand(who, 'project-access-code:create');
    const settings = settingsOf(context.settings);
    const [batch] =
      id === undefined
        ? []
        : await store.read(getExport, { ...boundsOf(who), id, owner: who.owner });
    if (id === undefined || batch === undefined) throw notFound();
    if (batch.sealed === null || batch.created_at + settings.exportWindowMs <= now()) {
      throw new JobError('EXPORT_EXPIRED');
    }
    const key = deriveKeys(settings.key).seal;
    const csv = toCsv(unseal(batch.sealed, { key, team: who.team, batch: id }), batch);
    return c.body(csv, 200, {
      ...PROTECTED,
      'Content-Type': 'text/csv; charset=utf-8',
      'Content-Disposition': `attachment; filename="${id}.csv"`,
    });
  });
}

function howToFetch(id: string, publicUrl: string): string {
  return `This file holds access codes. It needs a token of the owner of the batch.

With the token in the environment (export MCP_ASYNC_JOBS_TOKEN=mpt_...):

  curl -fsS -H "Authorization: Bearer $MCP_ASYNC_JOBS_TOKEN" -o ${id}.csv ${publicUrl}/batches/${id}.csv

or

  npx mcp-async-jobs codes export ${id} --url ${publicUrl}/mcp
`;
}

/** Wipe the codes of batches whose export window is over; a step takes at most 100 batches. */
export async function wipeExpired(
  store: Store,
  { exportWindowMs }: Pick<AccessCodeSettings, 'exportWindowMs'>,
): Promise<void> {
  const before = (await store.now()) - exportWindowMs;
  for (let step = 0; step < STEPS_MAX; step += 1) {
    const { changed } = await store.write([wipeExports({ before })]);
    if ((changed[0] ?? 0) === 0) return;
  }
}

/** What is left after so many steps is wiped at the next hour. */
const STEPS_MAX = 1_000;
