import { stringify } from 'csv-stringify/sync';
import { toWireTime } from '../index.ts';

/** What makes a spreadsheet compute, also behind what it does not show. */
const FORMULA = /^(\p{Cc}|[\s\p{Cf}]*[=+\-@|%\uFF1D\uFF0B\uFF0D\uFF20])/u;

/**
 * A batch as a file: RFC 4180 with a header line, one code a line. A spreadsheet does not take a
 * name that begins like a formula for one.
 */
export function toCsv(
  codes: readonly string[],
  batch: { readonly plan: string; readonly expires_at: number | null },
): string {
  const expires = batch.expires_at === null ? '' : toWireTime(batch.expires_at);
  const plan = FORMULA.test(batch.plan) ? `'${batch.plan}` : batch.plan;
  const rows = codes.map((code) => [code, plan, expires]);
  return stringify([['code', 'plan', 'expires_at'], ...rows], {
    record_delimiter: '\r\n',
    // To a spreadsheet half of a line end is one as well.
    quoted_match: /[\r\n]/,
  });
}
