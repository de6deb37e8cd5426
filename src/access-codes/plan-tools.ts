import type { McpServer } from '@modelcontextprotocol/server';
import { z } from 'zod';
import type { ToolContext } from '../http.ts';
import { boundsOf, demand } from './access.ts';
import { answer, AT_ONCE, HINTS, meta, metaOf, paging, windowOf } from './answers.ts';
import { CYCLES } from './expiry.ts';
import { createPlan, toPlan } from './plans.ts';
import { parsePrice } from './pricing.ts';
import { countPlans, pagePlans } from './statements.ts';
import { idText, textOf } from './text.ts';

const CURRENCIES = new Set(Intl.supportedValuesOf('currency'));

const plan = z.looseObject({
  id: z.string(),
  project_id: z.string(),
  name: z.string(),
  price: z.string(),
  active: z.boolean(),
});

const LIST_PLANS = {
  title: 'List plans',
  description: `The team's plans, newest first, of one project or of all. ${AT_ONCE}`,
  inputSchema: z.object({ project_id: idText.optional(), ...paging }),
  outputSchema: z.object({ data: z.array(plan), meta }),
  annotations: HINTS.looks,
};

const CREATE_PLAN = {
  title: 'Create plan',
  description: `Makes a plan in a project. A redeemed code is a subscription of billing_cycle_count cycles. ${AT_ONCE}`,
  inputSchema: z.object({
    project_id: idText,
    name: textOf(5, 255).describe('Unique in the project'),
    price: z
      .string()
      .refine((price) => parsePrice(price) !== null, 'must be a decimal such as "29.00"')
      .describe('Such as "29.00"'),
    currency: z
      .string()
      .refine((code) => CURRENCIES.has(code), 'must be an ISO 4217 code in capitals, such as USD')
      .describe('ISO 4217'),
    billing_cycle: z.enum(CYCLES),
    billing_cycle_count: z.int().min(1).max(99).default(1),
  }),
  outputSchema: z.object({ data: z.looseObject({ id: z.string() }) }),
  annotations: HINTS.adds,
};

export function registerPlanTools(mcp: McpServer, { who, store }: ToolContext): void {
  mcp.registerTool('list_plans', LIST_PLANS, async (wanted) => {
    demand(who, 'project-subscription-plan:view-any');
    const bounds = { ...boundsOf(who), project: wanted.project_id ?? null };
    const [rows, totals] = await Promise.all([
      store.read(pagePlans, { ...bounds, ...windowOf(wanted) }),
      store.read(countPlans, bounds),
    ]);
    return answer({ data: rows.map(toPlan), meta: metaOf(wanted, totals) });
  });

  mcp.registerTool('create_plan', CREATE_PLAN, async (wanted) => {
    demand(who, 'project-subscription-plan:create');
    const made = await createPlan(store, who, {
      projectId: wanted.project_id,
      name: wanted.name,
      priceMinor: parsePrice(wanted.price) ?? 0,
      currency: wanted.currency,
      cycle: wanted.billing_cycle,
      cycleCount: wanted.billing_cycle_count,
    });
    return answer({ data: made });
  });
}
