/** Commits of other processes are found where the file cannot be watched, too. */
import { EventEmitter } from 'node:events';
import fs from 'node:fs';
import { syncBuiltinESMExports } from 'node:module';
import { join } from 'node:path';
import { test } from 'node:test';
import { openStore } from '../../src/sqlite.ts';
import { aJob } from '../support/a-job.ts';
import { tempFolder } from '../support/temp.ts';
import { until } from '../support/until.ts';

const unwatched = {
  'says nothing': () => Object.assign(new EventEmitter(), { close: () => {} }),
  'cannot begin': () => {
    throw new Error('too many files are watched');
  },
};

for (const [how, watch] of Object.entries(unwatched)) {
  test(`a commit of another store is heard by looking where watching ${how}`, async (t) => {
    t.mock.method(fs, 'watch', watch);
    syncBuiltinESMExports();
    t.after(() => {
      t.mock.restoreAll();
      syncBuiltinESMExports();
    });
    const path = join(tempFolder(t), 'jobs.db');
    const [mine, other] = [await openStore(path), await openStore(path)];
    t.after(() => Promise.all([mine.close(), other.close()]));
    const heard = { due: 0, change: 0 };
    mine.onDue(() => {
      heard.due += 1;
    });
    mine.onChange((notice) => {
      if (notice === null) heard.change += 1;
    });
    await other.insert(aJob(), 0);
    await until('it was heard', () => heard.due > 0 && heard.change > 0);
  });
}
