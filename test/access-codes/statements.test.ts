import assert from 'node:assert/strict';
import { DatabaseSync } from 'node:sqlite';
import { test } from 'node:test';
import { ACCESS_CODE_MIGRATIONS } from '../../src/access-codes/sqlite/migrations.ts';
import * as access from '../../src/access-codes/sqlite/statements.ts';
import { sqlOf } from '../../src/store/migrations.ts';
import { TEAM_MIGRATIONS } from '../../src/team/sqlite/migrations.ts';
import * as team from '../../src/team/sqlite/statements.ts';

const db = new DatabaseSync(':memory:');
for (const { sqlite } of [TEAM_MIGRATIONS, ACCESS_CODE_MIGRATIONS]) {
  for (const step of sqlite) db.exec(sqlOf(step));
}

const planOf = (sql: string): string =>
  db
    .prepare(`EXPLAIN QUERY PLAN ${sql}`)
    .all()
    .map((row) => String(row['detail']))
    .join('\n');

test('every statement can be prepared on the migrated tables', () => {
  for (const [name, sql] of [...Object.entries(access), ...Object.entries(team)]) {
    assert.doesNotThrow(() => db.prepare(sql), name);
  }
});

test('what a request waits for is found by an index, and pages come out of it in order', () => {
  const expected: [string, RegExp][] = [
    [team.GET_TOKEN, /SEARCH tokens USING INDEX sqlite_autoindex_tokens_1 \(id=\?\)/],
    [team.LIST_TOKENS, /SEARCH tokens USING INDEX tokens_holder/],
    [access.GET_PLAN, /SEARCH plans USING INDEX sqlite_autoindex_plans_1 \(id=\?\)/],
    [access.GET_CODE, /SEARCH codes USING INDEX sqlite_autoindex_codes_\d \(code_mac=\?\)/],
    [access.REDEEM_CODE, /SEARCH codes USING INDEX sqlite_autoindex_codes_\d \(id=\?\)/],
    [access.GET_EXPORT, /SEARCH batches USING INDEX sqlite_autoindex_batches_1 \(id=\?\)/],
    [access.GET_REDEMPTIONS, /SEARCH redemptions USING .*\(team_id=\? AND cycle=\?\)/],
    [access.PAGE_CODES, /SEARCH codes USING INDEX codes_plan/],
    [access.PAGE_PLANS, /SEARCH plans USING INDEX plans_team/],
    [access.PAGE_PROJECTS, /SEARCH projects USING INDEX projects_team/],
    [access.WIPE_EXPORTS, /SEARCH batches USING (COVERING )?INDEX batches_sealed/],
  ];
  for (const [sql, index] of expected) {
    const plan = planOf(sql);
    assert.match(plan, index);
    assert.doesNotMatch(plan, /TEMP B-TREE|SCAN (codes|plans|projects|tokens|batches)/);
  }
});
