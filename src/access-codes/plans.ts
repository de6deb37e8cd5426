import { JobError, newId, now, toWireTime, type Store, type Who } from '../index.ts';
import { boundsOf, notFound } from './access.ts';
import type { Cycle } from './expiry.ts';
import { formatPrice } from './pricing.ts';
import { getProject, insertPlan, type PlanRow } from './statements.ts';

export interface NewPlan {
  readonly projectId: string;
  /** Unique in its project; 5..255 characters. */
  readonly name: string;
  readonly priceMinor: number;
  /** ISO 4217, in capitals. */
  readonly currency: string;
  readonly cycle: Cycle;
  /** How many cycles a subscription runs; 1..99. */
  readonly cycleCount: number;
}

/** A plan as callers read it. A plan bought with a code has no trial and is not renewed. */
export function toPlan(row: PlanRow) {
  return {
    id: row.id,
    project_id: row.project_id,
    name: row.name,
    description: null,
    price: formatPrice(row.price_minor),
    currency: row.currency,
    billing_cycle: row.billing_cycle,
    billing_cycle_count: row.billing_cycle_count,
    trial_days: 0,
    trial_cardless: false,
    recurring: false,
    active: row.active === 1,
    created_at: toWireTime(row.created_at),
  };
}

/**
 * @throws JobError RESOURCE_NOT_FOUND for a project that the caller does not see,
 *   VALIDATION_FAILED when it has a plan of that name
 */
export async function createPlan(
  store: Store,
  who: Who,
  plan: NewPlan,
): Promise<ReturnType<typeof toPlan>> {
  const { projectId: project, name } = plan;
  const [found] = await store.read(getProject, { ...boundsOf(who), id: project });
  if (found === undefined) throw notFound();
  const at = now();
  const id = newId('pln', at);
  const terms = {
    price_minor: plan.priceMinor,
    currency: plan.currency,
    billing_cycle: plan.cycle,
    billing_cycle_count: plan.cycleCount,
  };
  const effect = insertPlan({ id, team: who.team, project, name, ...terms, at }, { expect: 1 });
  const { ok } = await store.write([effect]);
  if (!ok) {
    throw new JobError('VALIDATION_FAILED', {
      message: 'The project has a plan of this name.',
      fields: { name: ['is taken by another plan of the project'] },
    });
  }
  return toPlan({ id, project_id: project, name, ...terms, active: 1, created_at: at });
}
