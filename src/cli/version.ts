import { createRequire } from 'node:module';

/** Version of this package; its package.json lies two folders up, from source and from a build. */
export function packageVersion(): string {
  const { version } = createRequire(import.meta.url)('../../package.json') as { version: string };
  return version;
}
