import { runOnNode24 } from '../bin/node-version.js';

runOnNode24(async () => {
  const { Command } = await import('commander');
  const { postgres } = new Command('npm run demo --')
    .description('kills a server and its worker in mid-job, and shows that nothing is lost')
    .option('--postgres', 'two servers and three workers on a real PostgreSQL')
    .option('--json', 'the outcome as one line of JSON')
    .parse()
    .opts();
  return postgres ? import('./demo-postgres.ts') : import('./demo.ts');
});
