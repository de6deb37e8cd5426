import assert from 'node:assert/strict';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { test } from 'node:test';
import { openStore } from '../../src/sqlite.ts';
import { allTokens, createToken } from '../../src/team/mint.ts';
import { tokens } from '../../src/team/tokens.ts';
import { tempFolder } from '../support/temp.ts';

for (const column of ['abilities', 'scopes']) {
  test(`a token whose ${column} a disk has changed is refused, and can be listed`, async (t) => {
    const path = join(tempFolder(t), 'jobs.db');
    const store = await openStore(path);
    t.after(() => store.close());
    const made = await createToken(store, { team: 'Club', owner: 'ada', abilities: ['*'] });
    const headers = { authorization: `Bearer ${made.token}` };
    const identify = async () => tokens(store)(new Request('http://127.0.0.1/', { headers }));
    assert.ok(await identify());
    const db = new DatabaseSync(path);
    db.exec('PRAGMA ignore_check_constraints = ON');
    db.exec(`UPDATE tokens SET ${column} = '["a'`);
    db.close();
    assert.equal(await identify(), null);
    assert.equal((await allTokens(store)).length, 1);
  });
}
