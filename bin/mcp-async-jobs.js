#!/usr/bin/env node
// In the repository the command runs from src, in the published package (which has no src) from dist.
import { existsSync } from 'fs';
import { runOnNode24 } from './node-version.js';

runOnNode24(async () => {
  const source = new URL('../src/cli/main.ts', import.meta.url);
  const built = new URL('../dist/cli/main.js', import.meta.url);
  const { main } = await import((existsSync(source) ? source : built).href);
  await main(process.argv.slice(2));
});
