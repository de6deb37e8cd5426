import { runOnNode24 } from '../bin/node-version.js';

runOnNode24(() => import('./mutation.ts'));
