/**
 * Money, in minor units (hundredths), and what a batch might bill: codes are free to make and count
 * when they are redeemed, so a preview is the worst case in which every one of them is.
 */

/** What a batch might bill, as callers read it. */
export type Preview = {
  /** Redemptions of this month that are still free. */
  readonly free_remaining: number;
  readonly chargeable_quantity: number;
  /** Decimal text with two places. */
  readonly cost: string;
};

const PRICE = /^(\d{1,9})(?:\.(\d{1,2}))?$/;

/** Minor units of a decimal text such as `29.00`, or null when it is none. */
export function parsePrice(text: string): number | null {
  const [, whole, fraction = ''] = PRICE.exec(text) ?? [];
  if (whole === undefined) return null;
  return Number(whole) * 100 + Number(fraction.padEnd(2, '0'));
}

/** Decimal text with two places. */
export function formatPrice(minor: number): string {
  return `${Math.floor(minor / 100)}.${String(minor % 100).padStart(2, '0')}`;
}

/** The billing cycle that an instant belongs to: a calendar month in UTC, such as `2026-05`. */
export function cycleOf(at: number): string {
  return new Date(at).toISOString().slice(0, 7);
}

/**
 * @param redeemed codes of the team that were redeemed in this cycle
 * @param terms free redemptions a cycle, and the price of each beyond, in minor units
 */
export function previewOf(
  quantity: number,
  redeemed: number,
  terms: { readonly allotment: number; readonly overageMinor: number },
): Preview {
  const free = Math.max(0, terms.allotment - redeemed);
  const chargeable = Math.max(0, quantity - free);
  return {
    free_remaining: free,
    chargeable_quantity: chargeable,
    cost: formatPrice(chargeable * terms.overageMinor),
  };
}
