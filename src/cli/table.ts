/** Rows under their headings, for people and for `grep` alike: columns, no lines. */
import Table from 'cli-table3';
import { printable } from '../job/printable.ts';

const CELL_MAX = 200;
const LINES =
  'top top-mid top-left top-right bottom bottom-mid bottom-left bottom-right left left-mid mid mid-mid right right-mid';
const PLAIN = LINES.split(' ');

/** Each column is as wide as its widest cell, as a terminal shows it. */
export function table(headings: readonly string[], rows: readonly (readonly string[])[]): string {
  const lines = new Table({
    chars: { ...Object.fromEntries(PLAIN.map((name) => [name, ''])), middle: '  ' },
    style: { 'padding-left': 0, 'padding-right': 0, head: [], border: [] },
  });
  lines.push(...[headings, ...rows].map((row) => row.map((cell) => printable(cell, CELL_MAX))));
  return lines.toString().replaceAll(/ +$/gm, '');
}
