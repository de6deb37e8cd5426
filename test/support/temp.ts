/** Folders and stores that end with their test. */
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { openStore, type OpenStoreOptions } from '../../src/sqlite.ts';
import type { Store } from '../../src/store/store.ts';

/** The part of a test's context that is needed to clean up after it. */
export interface Ending {
  after(work: () => Promise<void> | void): void;
}

/** A folder in memory where there is one: most tests ask what is written, not how fast the disk is. */
const MEMORY = existsSync('/dev/shm') ? '/dev/shm' : tmpdir();

/** A fresh folder, removed after the test. */
export function tempFolder(t: Ending, base = MEMORY): string {
  const folder = mkdtempSync(join(base, 'mcp-async-jobs-test-'));
  const remove = () => rmSync(folder, { recursive: true, force: true });
  // A test of Node ends things in the order in which that was asked for, so the folder stands in line
  // once more, behind the stores that are open in it.
  t.after('fullName' in t ? () => t.after(remove) : remove);
  return folder;
}

/** A store on a fresh file, closed and removed after the test. */
export async function tempStore(t: Ending, options: OpenStoreOptions = {}): Promise<Store> {
  const folder = tempFolder(t);
  const store = await openStore(join(folder, 'jobs.db'), options);
  t.after(() => store.close());
  return store;
}
