/** The exported file in a spreadsheet that people use: it computes nothing, and loses nothing. */
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { promisify } from 'node:util';
import { parse } from 'csv-parse/sync';
import { toCsv } from '../../src/access-codes/csv.ts';
import { noLibreOffice } from '../faults/tools.ts';
import { tempFolder } from '../support/temp.ts';

const STARTS = ['=', '+', '-', '@', '\t', '\r', '\n', '＝', '＋', '－', '＠', '|', '%', ' =']
  .concat(['\u00a0=', '\u200b=', '\ufeff=', '"=', "'=", '{=', ';=', ',=', '=="', 'a', '\u0001='])
  .concat(['a\n', 'a\r', 'a\r\n', 'a",', 'a\t']);
const BODIES = ['1+1', "cmd|' /C calc'!A0", 'HYPERLINK("http://127.0.0.1/x","y")', 'SUM(A1:A9)']
  .concat(['WEBSERVICE("http://127.0.0.1")', 'DDE("a","b","c")', 'IMPORTXML("http://x","//a")'])
  .concat(['a"b', 'a\r\n=1+1', 'a\n=1+1', 'a\r=1+1', "2+5+cmd|' /C calc'!A0"]);
const CODE = 'ABCDEFGHJKMNPQ01';
const EXPIRES = '2026-05-18T10:05:00Z';
/** Comma, quotation mark, UTF-8. */
const FORM = '44,34,76';

test('LibreOffice computes none of the names of an exported file, and gives all of it back', async (t) => {
  const missing = noLibreOffice();
  if (missing !== null) return t.skip(`NOT RUN: ${missing}`);
  const folder = tempFolder(t);
  const names = STARTS.flatMap((start) => BODIES.map((body) => `${start}${body}`));
  const files = names.map((plan) => toCsv([CODE], { plan, expires_at: Date.parse(EXPIRES) }));
  const [header = ''] = files[0]?.split('\r\n') ?? [];
  const text = [`${header}\r\n`, ...files.map((file) => file.slice(header.length + 2))].join('');
  writeFileSync(join(folder, 'codes.csv'), text);
  const convert = async (file: string, format: string, to: string, how: string[] = []) => {
    const own = `-env:UserInstallation=file://${join(folder, 'profile')}`;
    const given = ['--headless', '--convert-to', format, '--outdir', join(folder, to)];
    await promisify(execFile)('soffice', [own, ...how, ...given, join(folder, file)], {
      timeout: 60_000,
    });
  };
  await convert('codes.csv', 'fods', 'sheet', [`--infilter=CSV:${FORM}`]);
  const sheet = readFileSync(join(folder, 'sheet', 'codes.fods'), 'utf8');
  assert.equal(sheet.match(/<table:table-row/g)?.length, names.length + 1);
  assert.deepEqual(sheet.match(/table:formula="[^"]*"/g), null);
  await convert('sheet/codes.fods', `csv:Text - txt - csv (StarCalc):${FORM}`, 'back');
  // A cell knows no control characters, and no name of ours has any: they are refused.
  const rowsOf = (csv: string): string[][] =>
    parse(csv).filter((_, row) => row === 0 || !/\p{Cc}/u.test(names[row - 1] ?? ''));
  const back = rowsOf(readFileSync(join(folder, 'back', 'codes.csv'), 'utf8'));
  assert.ok(back.length > 150);
  assert.deepEqual(back, rowsOf(text));
});
