import { stringify } from 'csv-stringify/sync';
import { toWireTime } from '../index.ts';

/**
 * A batch as a file: RFC 4180 with a header line, one code a line. A spreadsheet does not take a
 * name that begins like a formula for one.
 */
export function toCsv(
  codes: readonly string[],
  batch: { readonly plan: string; readonly expires_at: number | null },
): string {
  const expires = batch.expires_at === null ? '' : toWireTime(batch.expires_at);
  const rows = codes.map((code) => [code, batch.plan, expires]);
  return stringify([['code', 'plan', 'expires_at'], ...rows], {
    record_delimiter: '\r\n',
    escape_formulas: true,
  });
}
