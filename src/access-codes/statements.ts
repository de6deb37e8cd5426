/**
 * The statements of the access-code application, the same names on every engine. Instants are wall
 * time in milliseconds; money is in minor units.
 */
import { defineStatement } from '../index.ts';
import type { Cycle } from './expiry.ts';
import * as postgres from './postgres/statements.ts';
import * as sqlite from './sqlite/statements.ts';

/** The caller's team and projects; the part of each statement that keeps tenants apart. */
export type Bounds = {
  readonly team: string;
  /** JSON list of project ids; null is no narrowing. */
  readonly scopes: string | null;
};

type Page = { readonly limit: number; readonly offset: number };
type Total = { readonly total: number };

export interface ProjectRow {
  readonly id: string;
  readonly name: string;
  readonly created_at: number;
}

export interface PlanRow {
  readonly id: string;
  readonly project_id: string;
  readonly name: string;
  readonly price_minor: number;
  readonly currency: string;
  readonly billing_cycle: Cycle;
  readonly billing_cycle_count: number;
  readonly active: number;
  readonly created_at: number;
}

export interface ExportRow {
  readonly id: string;
  readonly plan: string;
  readonly quantity: number;
  readonly expires_at: number | null;
  readonly created_at: number;
  /** The codes, encrypted; null once the export window is over. */
  readonly sealed: Uint8Array | null;
}

export interface CodeRow {
  readonly id: string;
  readonly plan_id: string;
  readonly batch_id: string;
  readonly first4: string;
  readonly last4: string;
  readonly expires_at: number | null;
  readonly created_at: number;
  readonly redeemed_at: number | null;
  readonly redeemed_by: string | null;
}

export interface RedeemableRow {
  readonly id: string;
  readonly plan_id: string;
  readonly expires_at: number | null;
  readonly redeemed_at: number | null;
  readonly redeemed_by: string;
  readonly billing_cycle: Cycle;
  readonly billing_cycle_count: number;
  readonly starts_at: number | null;
  readonly ends_at: number | null;
}

export const insertProject = defineStatement<{
  id: string;
  team: string;
  name: string;
  at: number;
}>({ name: 'insert_project', sqlite: sqlite.INSERT_PROJECT, postgres: postgres.INSERT_PROJECT });

export const getProject = defineStatement<Bounds & { id: string }, ProjectRow>({
  name: 'get_project',
  sqlite: sqlite.GET_PROJECT,
  postgres: postgres.GET_PROJECT,
});

export const pageProjects = defineStatement<Bounds & Page, ProjectRow>({
  name: 'page_projects',
  sqlite: sqlite.PAGE_PROJECTS,
  postgres: postgres.PAGE_PROJECTS,
  heavy: true,
});

export const countProjects = defineStatement<Bounds, Total>({
  name: 'count_projects',
  sqlite: sqlite.COUNT_PROJECTS,
  postgres: postgres.COUNT_PROJECTS,
  heavy: true,
});

export const insertPlan = defineStatement<{
  id: string;
  team: string;
  project: string;
  name: string;
  price_minor: number;
  currency: string;
  billing_cycle: Cycle;
  billing_cycle_count: number;
  at: number;
}>({ name: 'insert_plan', sqlite: sqlite.INSERT_PLAN, postgres: postgres.INSERT_PLAN });

export const getPlan = defineStatement<Bounds & { id: string }, PlanRow>({
  name: 'get_plan',
  sqlite: sqlite.GET_PLAN,
  postgres: postgres.GET_PLAN,
});

export const pagePlans = defineStatement<Bounds & Page & { project: string | null }, PlanRow>({
  name: 'page_plans',
  sqlite: sqlite.PAGE_PLANS,
  postgres: postgres.PAGE_PLANS,
  heavy: true,
});

export const countPlans = defineStatement<Bounds & { project: string | null }, Total>({
  name: 'count_plans',
  sqlite: sqlite.COUNT_PLANS,
  postgres: postgres.COUNT_PLANS,
  heavy: true,
});

export const insertBatch = defineStatement<{
  id: string;
  team: string;
  owner: string;
  plan: string;
  quantity: number;
  expires_at: number | null;
  at: number;
  sealed: Uint8Array;
}>({ name: 'insert_batch', sqlite: sqlite.INSERT_BATCH, postgres: postgres.INSERT_BATCH });

export const insertCode = defineStatement<{
  id: string;
  team: string;
  project: string;
  plan: string;
  batch: string;
  ordinal: number;
  code_mac: Uint8Array;
  first4: string;
  last4: string;
  expires_at: number | null;
  at: number;
}>({ name: 'insert_code', sqlite: sqlite.INSERT_CODE, postgres: postgres.INSERT_CODE });

export const getExport = defineStatement<Bounds & { id: string; owner: string }, ExportRow>({
  name: 'get_export',
  sqlite: sqlite.GET_EXPORT,
  postgres: postgres.GET_EXPORT,
});

export const wipeExports = defineStatement<{ before: number }>({
  name: 'wipe_exports',
  sqlite: sqlite.WIPE_EXPORTS,
  postgres: postgres.WIPE_EXPORTS,
});

type CodesOfPlan = { team: string; plan: string; status: string; at: number };

export const pageCodes = defineStatement<CodesOfPlan & Page, CodeRow>({
  name: 'page_codes',
  sqlite: sqlite.PAGE_CODES,
  postgres: postgres.PAGE_CODES,
  heavy: true,
});

export const countCodes = defineStatement<CodesOfPlan, Total>({
  name: 'count_codes',
  sqlite: sqlite.COUNT_CODES,
  postgres: postgres.COUNT_CODES,
  heavy: true,
});

export const getCode = defineStatement<
  Bounds & { code_mac: Uint8Array; subscriber: string },
  RedeemableRow
>({
  name: 'get_code',
  sqlite: sqlite.GET_CODE,
  postgres: postgres.GET_CODE,
});

export const redeemCode = defineStatement<{
  id: string;
  team: string;
  subscriber: string;
  at: number;
}>({ name: 'redeem_code', sqlite: sqlite.REDEEM_CODE, postgres: postgres.REDEEM_CODE });

export const insertSubscription = defineStatement<{
  id: string;
  team: string;
  subscriber: string;
  starts_at: number;
  ends_at: number | null;
}>({
  name: 'insert_subscription',
  sqlite: sqlite.INSERT_SUBSCRIPTION,
  postgres: postgres.INSERT_SUBSCRIPTION,
});

export const countRedemption = defineStatement<{ team: string; cycle: string }>({
  name: 'count_redemption',
  sqlite: sqlite.COUNT_REDEMPTION,
  postgres: postgres.COUNT_REDEMPTION,
});

export const getRedemptions = defineStatement<{ team: string; cycle: string }, { count: number }>({
  name: 'get_redemptions',
  sqlite: sqlite.GET_REDEMPTIONS,
  postgres: postgres.GET_REDEMPTIONS,
});

export const getKeyFingerprint = defineStatement<{ only: number }, { fingerprint: Uint8Array }>({
  name: 'get_key_fingerprint',
  sqlite: sqlite.GET_KEY_FINGERPRINT,
  postgres: postgres.GET_KEY_FINGERPRINT,
});

export const insertKeyFingerprint = defineStatement<{ fingerprint: Uint8Array }>({
  name: 'insert_key_fingerprint',
  sqlite: sqlite.INSERT_KEY_FINGERPRINT,
  postgres: postgres.INSERT_KEY_FINGERPRINT,
});
