/**
 * `npm run build`: src becomes dist, and dist becomes the folder that is packed and published.
 *
 * `build/package/` is made so that nothing of the workshop (the pinned Node, dev tools, scripts,
 * the `mcp-async-jobs-source` condition) can reach a user's machine. Publish with `npm publish ./build/package`.
 * `--out <folder>` puts `dist/` and `build/package/` below another folder; tests use it.
 */
import { spawnSync } from 'node:child_process';
import { cpSync, existsSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';

/** Folders whose files other than TypeScript are shipped, and where they land in `dist`. */
const ASSETS: readonly { from: string; to: string }[] = [
  { from: 'src', to: '.' },
  { from: 'dashboard', to: 'dashboard' },
];

/** Fields of package.json that are of use only inside the repository. */
const WORKSHOP_FIELDS = ['scripts', 'devDependencies', 'optionalDependencies'];

/** The export condition that leads to src; a name of our own, because dependencies use plain `source`. */
const SOURCE_CONDITION = 'mcp-async-jobs-source';

const root = dirname(dirname(fileURLToPath(import.meta.url)));

function compile(dist: string): void {
  const tsc = join(root, 'node_modules/typescript/bin/tsc');
  const { status } = spawnSync(
    process.execPath,
    [tsc, '--project', 'tsconfig.build.json', '--outDir', dist],
    { cwd: root, stdio: 'inherit' },
  );
  if (status !== 0) throw new Error('tsc found errors (above): nothing was packaged');
}

function copyAssets(dist: string): void {
  for (const { from, to } of ASSETS) {
    const folder = join(root, from);
    if (!existsSync(folder)) continue;
    cpSync(folder, join(dist, to), {
      recursive: true,
      filter: (path) => statSync(path).isDirectory() || !/\.(m?ts|tsx)$/.test(path),
    });
  }
}

function published(manifest: Record<string, unknown>): Record<string, unknown> {
  const exports = Object.entries(manifest['exports'] as Record<string, unknown>).map(
    ([door, target]) => {
      if (typeof target !== 'object' || target === null) return [door, target];
      return [
        door,
        Object.fromEntries(Object.entries(target).filter(([key]) => key !== SOURCE_CONDITION)),
      ];
    },
  );
  const kept = Object.entries(manifest).filter(([field]) => !WORKSHOP_FIELDS.includes(field));
  return { ...Object.fromEntries(kept), exports: Object.fromEntries(exports) };
}

function assemble(dist: string, folder: string): void {
  const manifest = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as {
    files: string[];
  };
  for (const name of manifest.files) {
    const from = name === 'dist' ? dist : join(root, name);
    if (!existsSync(from)) throw new Error(`${name} is listed in "files" but is not there`);
    cpSync(from, join(folder, name), { recursive: true });
  }
  writeFileSync(
    join(folder, 'package.json'),
    `${JSON.stringify(published({ ...manifest }), null, 2)}\n`,
  );
}

const { values } = parseArgs({ options: { out: { type: 'string', default: root } } });
const dist = resolve(values.out, 'dist');
const folder = resolve(values.out, 'build/package');
rmSync(dist, { recursive: true, force: true });
rmSync(folder, { recursive: true, force: true });
compile(dist);
copyAssets(dist);
assemble(dist, folder);
process.stdout.write(`package is ready to pack: ${folder}\n`);
