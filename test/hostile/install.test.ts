/** What an installation brings along runs nothing while it is installed. */
import assert from 'node:assert/strict';
import { globSync, readFileSync } from 'node:fs';
import { test } from 'node:test';

interface Package {
  readonly dev?: boolean;
  readonly devOptional?: boolean;
  readonly optional?: boolean;
  readonly hasInstallScript?: boolean;
}

const read = (path: string): unknown =>
  JSON.parse(readFileSync(new URL(`../../${path}`, import.meta.url), 'utf8'));

test('nothing that is installed needs a script to run', () => {
  const { packages } = read('package-lock.json') as {
    readonly packages: Readonly<Record<string, Package>>;
  };
  const all = Object.entries(packages);
  assert.ok(all.length > 20, `only ${all.length} packages are locked`);
  const scripted = all.filter(([, { hasInstallScript }]) => hasInstallScript === true);
  assert.deepEqual(
    scripted.map(([path]) => path),
    [],
  );
  const { scripts = {} } = read('package.json') as { readonly scripts?: object };
  for (const name of ['preinstall', 'install', 'postinstall', 'prepare']) {
    assert.ok(!(name in scripts), `the package has a ${name} script`);
  }
});

test('few packages are needed to run, and the locks name no host to fetch them from', () => {
  const { dependencies } = read('package.json') as { readonly dependencies: object };
  const names = Object.keys(dependencies);
  assert.ok(names.length <= 15, `${names.length} packages: ${names.join(', ')}`);
  const locks = globSync('{,**/}package-lock.json', {
    cwd: new URL('../..', import.meta.url),
    exclude: (path) => path.endsWith('node_modules'),
  });
  assert.ok(locks.length >= 1);
  for (const lock of locks) {
    const { packages } = read(lock) as { readonly packages: Readonly<Record<string, object>> };
    const hosts = Object.values(packages)
      .map((one) => ('resolved' in one ? String(one.resolved) : ''))
      .filter(
        (resolved) =>
          resolved.includes('://') && !resolved.startsWith('https://registry.npmjs.org/'),
      );
    assert.deepEqual(hosts, [], lock);
  }
});
