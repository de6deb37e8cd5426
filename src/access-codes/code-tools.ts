import type { McpServer } from '@modelcontextprotocol/server';
import { z } from 'zod';
import type { ToolContext } from '../http.ts';
import { now, toWireTime, type Store, type Who } from '../index.ts';
import { boundsOf, demand, notFound } from './access.ts';
import { answer, AT_ONCE, count, HINTS, meta, metaOf, paging, windowOf } from './answers.ts';
import { maskOf } from './codes.ts';
import { previewFor } from './preview.ts';
import { redeem } from './redeem.ts';
import type { RedeemLimits } from './redeem-limits.ts';
import { settingsOf } from './settings.ts';
import { countCodes, getPlan, pageCodes, type CodeRow } from './statements.ts';
import { idText, textOf } from './text.ts';

const timeOrNull = z.string().nullable();

const LIST_CODES = {
  title: 'List access codes',
  description: `Codes of a plan, newest first, masked. Codes as text are only in result.download_url of the job that made them. ${AT_ONCE}`,
  inputSchema: z.object({
    plan_id: idText,
    status: z.enum(['unredeemed', 'redeemed', 'expired', 'all']).default('all'),
    ...paging,
  }),
  outputSchema: z.object({
    data: z.array(
      z.looseObject({ id: z.string(), code_masked: z.string(), redeemed_at: timeOrNull }),
    ),
    meta,
  }),
  annotations: HINTS.looks,
};

const PREVIEW = {
  title: 'Preview access code cost',
  description: `What a batch might bill if all of it is redeemed. Call it before bulk_generate_access_codes. ${AT_ONCE}`,
  inputSchema: z.object({ plan_id: idText, quantity: z.int().min(1).max(10_000) }),
  outputSchema: z.object({
    data: z.looseObject({
      preview: z.looseObject({
        free_remaining: count,
        chargeable_quantity: count,
        cost: z.string(),
      }),
      will_bill_overage: z.boolean(),
    }),
  }),
  annotations: HINTS.looks,
};

const REDEEM = {
  title: 'Redeem access code',
  description: `Spends a code for a subscriber; again for the same subscriber gives the same answer. ${AT_ONCE}`,
  inputSchema: z.object({
    code: z.string().min(1, 'must not be empty').max(64, 'must have at most 64 characters'),
    subscriber_id: textOf(1, 255),
  }),
  outputSchema: z.object({
    data: z.looseObject({
      subscription_id: z.string(),
      plan_id: z.string(),
      subscriber_id: z.string(),
      starts_at: z.string(),
      ends_at: timeOrNull,
    }),
  }),
  annotations: HINTS.spends,
};

export function registerCodeTools(
  mcp: McpServer,
  context: ToolContext,
  limits: RedeemLimits,
): void {
  const { who, store, settings } = context;

  mcp.registerTool('list_access_codes', LIST_CODES, async (wanted) => {
    demand(who, 'project-access-code:view-any');
    const { plan_id: plan, status } = wanted;
    await demandPlan(store, who, plan);
    const codes = { team: who.team, plan, status, at: now() };
    const [rows, totals] = await Promise.all([
      store.read(pageCodes, { ...codes, ...windowOf(wanted) }),
      store.read(countCodes, codes),
    ]);
    return answer({ data: rows.map(toCode), meta: { ...metaOf(wanted, totals), status } });
  });

  mcp.registerTool('preview_access_code_cost', PREVIEW, async ({ plan_id, quantity }) => {
    demand(who, 'project-access-code:create');
    await demandPlan(store, who, plan_id);
    const read = store.read.bind(store);
    const preview = await previewFor(quantity, who.team, { read, settings });
    const will_bill_overage = preview.chargeable_quantity > 0;
    return answer({ data: { plan_id, quantity, preview, will_bill_overage } });
  });

  mcp.registerTool('redeem_access_code', REDEEM, async ({ code, subscriber_id: subscriber }) => {
    demand(who, 'project-access-code:update');
    const { key } = settingsOf(settings);
    const got = await limits.guard(who, () => redeem({ store, who, key, code, subscriber }));
    return answer({
      data: {
        subscription_id: got.id,
        plan_id: got.planId,
        subscriber_id: got.subscriber,
        starts_at: toWireTime(got.startsAt),
        ends_at: toWireTimeOrNull(got.endsAt),
      },
    });
  });
}

async function demandPlan(store: Store, who: Who, id: string): Promise<void> {
  const [plan] = await store.read(getPlan, { ...boundsOf(who), id });
  if (plan === undefined) throw notFound();
}

function toCode(row: CodeRow) {
  return {
    id: row.id,
    plan_id: row.plan_id,
    batch_id: row.batch_id,
    code_masked: maskOf(row),
    redeemed_at: toWireTimeOrNull(row.redeemed_at),
    expires_at: toWireTimeOrNull(row.expires_at),
    redeemed_by: row.redeemed_by,
    created_at: toWireTime(row.created_at),
  };
}

function toWireTimeOrNull(at: number | null): string | null {
  return at === null ? null : toWireTime(at);
}
