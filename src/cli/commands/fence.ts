import { Command } from 'commander';
import { EXIT_CODES_HELP } from '../exit.ts';
import { dbOption, jsonOption } from '../options.ts';
import { printJson, say } from '../output.ts';

interface FenceOptions {
  readonly db: string;
  readonly json?: boolean;
}

/** Nothing of a restored database is old or missing because of its age: that is for its server to say. */
const NEVER_MS = 1e13;

export function fenceCommand(): Command {
  return new Command('fence')
    .description('end every run that a restored database remembers, before anybody works on it')
    .addOption(dbOption())
    .addOption(jsonOption())
    .addHelpText(
      'after',
      `
The jobs are queued again, without an attempt counted; a worker that still holds one of them is
refused. Run it on a database that was restored from a backup, before servers and workers reach it.

Examples:
  mcp-async-jobs fence --db jobs.db
  DATABASE_URL=postgres://jobs@db.example.com/jobs_restored mcp-async-jobs fence --json
${EXIT_CODES_HELP}`,
    )
    .action(fence);
}

async function fence({ db, json }: FenceOptions): Promise<void> {
  const { withStore } = await import('../administration.ts');
  const { moved } = await withStore({ db, mustExist: true }, async (store) =>
    store.sweep({ retentionMs: NEVER_MS, toolMissingMs: NEVER_MS, isRestored: true }),
  );
  if (json === true) return printJson({ data: { jobs: moved } }, true);
  say(`No run of before may write there any more. Jobs that it moved: ${moved.length}.`);
}
