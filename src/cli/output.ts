/**
 * Data goes to stdout, talk goes to stderr.
 */
import { printable } from '../job/schema.ts';

/** One line of data. */
export function printLine(text: string): void {
  process.stdout.write(`${text}\n`);
}

/** One line of JSON; indented where a person reads it. */
export function printJson(value: unknown, asJson: boolean): void {
  printLine(JSON.stringify(value, null, asJson ? 0 : 2));
}

export function say(text: string): void {
  process.stderr.write(`${text}\n`);
}

/** A value in a line of text. */
export function shown(value: unknown): string {
  return typeof value === 'string' ? value : JSON.stringify(value ?? null);
}

/** Rows under their headings, each column as wide as its widest cell. */
export function table(headings: readonly string[], rows: readonly (readonly string[])[]): string {
  const safe = [headings, ...rows].map((row) => row.map((cell) => printable(cell, 200)));
  const widths = headings.map((_, column) =>
    Math.max(...safe.map((row) => (row[column] ?? '').length)),
  );
  return safe
    .map((row) =>
      row
        .map((cell, i) => cell.padEnd(widths[i] ?? 0))
        .join('  ')
        .trimEnd(),
    )
    .join('\n');
}
