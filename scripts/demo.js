import { runOnNode24 } from '../bin/node-version.js';

runOnNode24(() =>
  process.argv.includes('--postgres') ? import('./demo-postgres.ts') : import('./demo.ts'),
);
