/**
 * Redeeming a code: once, under any number of callers at once. Unknown, foreign, used and expired
 * codes get the same answer; the same code and subscriber again get the answer of the first time.
 */
import { now, type Store, type Who } from '../index.ts';
import { boundsOf, notFound } from './access.ts';
import { macOf, normaliseCode } from './codes.ts';
import { endsAt } from './expiry.ts';
import { deriveKeys } from './keys.ts';
import { cycleOf } from './pricing.ts';
import {
  countRedemption,
  getCode,
  insertSubscription,
  redeemCode,
  type RedeemableRow,
} from './statements.ts';

export interface Redemption {
  readonly store: Store;
  readonly who: Who;
  /** The key of the application's settings. */
  readonly key: string;
  /** As it was typed. */
  readonly code: string;
  readonly subscriber: string;
}

/** What a code was turned into. Instants are wall time in milliseconds; `endsAt` null is never. */
export interface Subscription {
  readonly id: string;
  readonly planId: string;
  readonly subscriber: string;
  readonly startsAt: number;
  readonly endsAt: number | null;
}

/** @throws JobError RESOURCE_NOT_FOUND whenever the code does not lead to a subscription */
export async function redeem(redemption: Redemption): Promise<Subscription> {
  const row = await findCode(redemption);
  if (row.redeemed_at !== null) return againOf(row, redemption.subscriber);
  const at = now();
  if (row.expires_at !== null && row.expires_at <= at) throw notFound();

  const { store, who, subscriber } = redemption;
  const ends_at = endsAt(at, row.billing_cycle_count, row.billing_cycle);
  const own = { id: row.id, team: who.team, subscriber };
  const { ok } = await store.write([
    redeemCode({ ...own, at }, { expect: 1 }),
    insertSubscription({ ...own, starts_at: at, ends_at }, { expect: 1 }),
    countRedemption({ team: who.team, cycle: cycleOf(at) }),
  ]);
  if (ok) {
    return { id: row.id, planId: row.plan_id, subscriber, startsAt: at, endsAt: ends_at };
  }
  // Somebody was faster, perhaps this same subscriber.
  return againOf(await findCode(redemption), subscriber);
}

async function findCode(redemption: Redemption): Promise<RedeemableRow> {
  const { store, who, key, code, subscriber } = redemption;
  // What cannot be a code is looked up all the same, so that it takes as long as what could be one.
  const code_mac = macOf(normaliseCode(code) ?? '', deriveKeys(key).mac);
  const [row] = await store.read(getCode, { ...boundsOf(who), code_mac, subscriber });
  if (row === undefined || row.id === '') throw notFound();
  return row;
}

function againOf(row: RedeemableRow, subscriber: string): Subscription {
  if (row.redeemed_by !== subscriber || row.starts_at === null) throw notFound();
  return {
    id: row.id,
    planId: row.plan_id,
    subscriber,
    startsAt: row.starts_at,
    endsAt: row.ends_at,
  };
}
