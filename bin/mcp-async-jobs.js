#!/usr/bin/env node
// In the repository the command runs from src, in the published package (which has no src) from dist.
import { existsSync } from 'fs';
import { fileURLToPath } from 'url';
import { runOnNode24 } from './node-version.js';

runOnNode24(async () => {
  const source = new URL('../src/cli/main.ts', import.meta.url);
  const built = new URL('../dist/cli/main.js', import.meta.url);
  if (existsSync(source)) await keepStripped();
  const { main } = await import((existsSync(source) ? source : built).href);
  await main(process.argv.slice(2));
});

// TypeScript is stripped once and kept; otherwise each thread and each worker process loads the
// stripper for itself, which costs 100 MB in all. Older versions of Node lack the function.
async function keepStripped() {
  const { enableCompileCache } = await import('module');
  process.env.NODE_COMPILE_CACHE ??= fileURLToPath(
    new URL('../node_modules/.cache/stripped', import.meta.url),
  );
  enableCompileCache(process.env.NODE_COMPILE_CACHE);
}
