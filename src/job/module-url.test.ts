import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { test } from 'node:test';
import { inheritedOptions, neighbourUrl } from './module-url.ts';

test('a neighbour has the extension that the tree runs with', () => {
  const source = neighbourUrl('file:///a/src/b.ts', './c');
  const built = neighbourUrl('file:///a/dist/b.js', '../c');
  assert.deepEqual([source.href, built.href], ['file:///a/src/c.ts', 'file:///a/c.js']);
});

test('threads take over the options of their process, but not how its own text is read', () => {
  const optionsWith = (...options: string[]): unknown => {
    const text = `import { inheritedOptions } from ${JSON.stringify(new URL('./module-url.ts', import.meta.url).href)}; console.log(JSON.stringify(inheritedOptions() ?? null));`;
    const { stdout } = spawnSync(process.execPath, [...options, '--eval', text], {
      encoding: 'utf8',
    });
    return JSON.parse(stdout) as unknown;
  };
  const taken = optionsWith('--conditions=x', '--input-type=module') as string[];
  assert.ok(taken.includes('--conditions=x'), taken.join(' '));
  assert.ok(!taken.some((option) => option.startsWith('--input-type')));
  // Nothing to leave out: Node hands on its own.
  assert.equal(inheritedOptions(), undefined);
});
