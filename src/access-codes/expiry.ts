/**
 * Calendar arithmetic in UTC: until when a code can be redeemed, and how long a subscription runs.
 * Days are 24 hours and weeks seven of them; months and years go by the calendar, and a day that
 * the month does not have becomes its last (31 January and a month is 28 or 29 February).
 */
import { JobError } from '../index.ts';

export const UNITS = ['days', 'weeks', 'months', 'years'] as const;
export const CYCLES = [...UNITS, 'lifetime'] as const;
export const PRESETS = ['no_expiry', '1_day', '1_week', '1_month', '1_year', 'custom'] as const;

export type Unit = (typeof UNITS)[number];
export type Cycle = (typeof CYCLES)[number];

/** How a caller says when codes expire. The custom members stand only with `custom`. */
export interface Expiry {
  readonly expiry_preset: (typeof PRESETS)[number];
  readonly custom_expiry_amount?: number | undefined;
  readonly custom_expiry_type?: Unit | undefined;
}

const DAY_MS = 86_400_000;
const YEARS_MAX = 100;
const UNIT_MS: Partial<Record<Unit, number>> = { days: DAY_MS, weeks: 7 * DAY_MS };
const UNIT_MONTHS: Partial<Record<Unit, number>> = { months: 1, years: 12 };

/** How long codes of a preset can be redeemed; null is for ever. */
const SPANS: Record<Exclude<Expiry['expiry_preset'], 'custom'>, Span | null> = {
  no_expiry: null,
  '1_day': [1, 'days'],
  '1_week': [1, 'weeks'],
  '1_month': [1, 'months'],
  '1_year': [1, 'years'],
};

type Span = readonly [amount: number, unit: Unit];

/** The instant, in milliseconds, that lies `amount` units after another. */
export function addUnits(at: number, amount: number, unit: Unit): number {
  const months = UNIT_MONTHS[unit];
  if (months !== undefined) return addMonths(at, amount * months);
  return at + amount * (UNIT_MS[unit] ?? DAY_MS);
}

function addMonths(at: number, months: number): number {
  const from = new Date(at);
  const to = new Date(at);
  // Day 0 of a month is the last of the one before.
  to.setUTCFullYear(from.getUTCFullYear(), from.getUTCMonth() + months + 1, 0);
  if (to.getUTCDate() > from.getUTCDate()) to.setUTCDate(from.getUTCDate());
  return to.getTime();
}

/**
 * From when on codes made now can no longer be redeemed; whole seconds, as they are shown.
 *
 * @returns milliseconds, or null when they do not expire
 * @throws JobError VALIDATION_FAILED when it lies more than 100 years ahead
 */
export function expiresAt(at: number, expiry: Expiry): number | null {
  const span = spanOf(expiry);
  if (span === null) return null;
  const [amount, unit] = span;
  const end = addUnits(Math.floor(at / 1_000) * 1_000, amount, unit);
  if (end > addUnits(at, YEARS_MAX, 'years')) {
    throw new JobError('VALIDATION_FAILED', {
      message: `The codes would expire more than ${YEARS_MAX} years from now.`,
      fields: { custom_expiry_amount: [`must not lead beyond ${YEARS_MAX} years`] },
    });
  }
  return end;
}

function spanOf(expiry: Expiry): Span | null {
  if (expiry.expiry_preset !== 'custom') return SPANS[expiry.expiry_preset];
  return [expiry.custom_expiry_amount ?? 1, expiry.custom_expiry_type ?? 'days'];
}

/** When a subscription that starts at `at` ends; null is never. */
export function endsAt(at: number, count: number, cycle: Cycle): number | null {
  return cycle === 'lifetime' ? null : addUnits(at, count, cycle);
}
