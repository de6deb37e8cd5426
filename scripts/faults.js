import { runOnNode24 } from '../bin/node-version.js';

runOnNode24(() => import('./faults.ts'));
