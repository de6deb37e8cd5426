import { Command, Option } from 'commander';
import { now, toWireTime } from '../../job/clock.ts';
import { shownName } from '../../job/printable.ts';
import type { TokenInfo } from '../../team/mint.ts';
import { CliError, EXIT_CODES_HELP } from '../exit.ts';
import { dbOption, jsonOption, listOption, numberOption } from '../options.ts';
import { printJson, printLine, say } from '../output.ts';

interface CreateOptions {
  readonly db: string;
  readonly team: string;
  readonly owner: string;
  readonly ability: readonly string[];
  readonly project?: readonly string[];
  readonly name: string;
  readonly anyAbility?: boolean;
  readonly test?: boolean;
  readonly expiresDays?: number;
  readonly json?: boolean;
}

interface ListOptions {
  readonly db: string;
  readonly team?: string;
  readonly json?: boolean;
}

const DAY_MS = 86_400_000;

export function tokenCommand(): Command {
  const command = new Command('token').description('tokens of callers, in the database itself');
  command
    .command('create')
    .description('make a token, and its team and owner where they are missing; shown this once')
    .addOption(dbOption())
    .requiredOption('--team <name>', 'name of the team')
    .requiredOption('--owner <name>', 'name of the user that the token belongs to')
    .addOption(
      listOption(
        '--ability <a,b>',
        "abilities, such as mcp:full; '*' is every one but job:view-any, which is granted by name",
      ).makeOptionMandatory(),
    )
    .addOption(
      new Option('--any-ability', 'take abilities too that only a server of your own knows'),
    )
    .addOption(listOption('--project <id>', 'limit the token to this project; may be repeated'))
    .addOption(new Option('--name <name>', 'what the token is for').default('token'))
    .addOption(new Option('--test', 'a token of the test environment (mpt_test_...)'))
    .addOption(
      numberOption('--expires-days <n>', 'refused after so many days; default never', {
        min: 1,
        max: 3_650,
        unit: 'days',
      }),
    )
    .addOption(jsonOption())
    .addHelpText(
      'after',
      `
Examples:
  mcp-async-jobs token create --team Club --owner ada --ability '*'
  mcp-async-jobs token create --team Club --owner ada --ability mcp:full,project:view-any --json
${EXIT_CODES_HELP}`,
    )
    .action(create);
  command
    .command('list')
    .description('list tokens, newest first, without their secrets')
    .addOption(dbOption())
    .addOption(new Option('--team <name>', 'only tokens of this team'))
    .addOption(jsonOption())
    .addHelpText('after', EXIT_CODES_HELP)
    .action(list);
  command
    .command('revoke')
    .description('revoke a token; it is refused from the next call on')
    .argument('<id>', 'the public part of the token, as `token list` shows it')
    .addOption(dbOption())
    .addOption(jsonOption())
    .addHelpText('after', EXIT_CODES_HELP)
    .action(revoke);
  return command;
}

async function create(options: CreateOptions): Promise<void> {
  const { withStore, createToken } = await database();
  const { db, team, owner, name, ability, project, expiresDays } = options;
  if (options.anyAbility !== true) await refuseUnknown(ability);
  const made = await withStore({ db, mustExist: false }, (store) =>
    createToken(store, {
      team,
      owner,
      name,
      abilities: ability,
      environment: options.test === true ? 'test' : 'live',
      ...(project && { projects: project }),
      ...(expiresDays !== undefined && { expiresAt: now() + expiresDays * DAY_MS }),
    }),
  );
  if (options.json === true) return printJson({ ...made, name, abilities: ability }, true);
  printLine(made.token);
  say(`Token ${made.id} of team ${made.team_id}, owner ${made.owner_id}. It is not shown again.`);
}

/** A slip of the pen would else show only when the token is refused. */
async function refuseUnknown(abilities: readonly string[]): Promise<void> {
  const [{ ABILITIES }, { VIEW_ANY }] = await Promise.all([
    import('../../access-codes/access.ts'),
    import('../../job/who.ts'),
  ]);
  const known = ['*', VIEW_ANY, 'mcp:full', ...Object.keys(ABILITIES)];
  const unknown = abilities.find((one) => !known.includes(one) && !one.startsWith('scope:'));
  if (unknown === undefined) return;
  const named = unknown.split(':').map(shownName).join(':');
  throw new CliError('VALIDATION_FAILED', `There is no ability ${named}.`, {
    remediation: `There are ${known.join(', ')}. For a server with abilities of its own add --any-ability.`,
  });
}

async function list(options: ListOptions): Promise<void> {
  const { withStore, allTokens } = await database();
  const { db, team } = options;
  const tokens = await withStore({ db, mustExist: true }, (store) =>
    allTokens(store, team === undefined ? {} : { team }),
  );
  if (options.json === true) return printJson({ data: tokens.map(shown) }, true);
  const headings = ['id', 'name', 'team', 'owner', 'abilities', 'last_used_at', 'state'];
  const rows = tokens.map((token) => [
    token.id,
    token.name,
    token.team,
    token.owner,
    token.abilities.join(','),
    instant(token.last_used_at) ?? '-',
    stateOf(token),
  ]);
  const { table } = await import('../table.ts');
  printLine(table(headings, rows));
}

async function revoke(id: string, options: ListOptions): Promise<void> {
  const { withStore, revokeToken } = await database();
  const { db } = options;
  const wasLive = await withStore({ db, mustExist: true }, (store) => revokeToken(store, id));
  if (!wasLive) {
    throw new CliError('NO_SUCH_TOKEN', `No live token has the id ${shownName(id)}.`, {
      remediation: 'See `mcp-async-jobs token list`; the id is the middle part of the token.',
    });
  }
  if (options.json === true) printJson({ id, revoked: true }, true);
  else say(`Token ${id} is revoked.`);
}

/** Loaded only when a command runs, so that help stays quick. */
async function database() {
  const [{ withStore }, mint] = await Promise.all([
    import('../administration.ts'),
    import('../../team/mint.ts'),
  ]);
  return { withStore, ...mint };
}

const instant = (at: number | null): string | null => (at === null ? null : toWireTime(at));

function shown(token: TokenInfo) {
  return {
    ...token,
    created_at: instant(token.created_at),
    last_used_at: instant(token.last_used_at),
    expires_at: instant(token.expires_at),
    revoked_at: instant(token.revoked_at),
  };
}

function stateOf(token: TokenInfo): string {
  if (token.revoked_at !== null) return 'revoked';
  return token.expires_at !== null && token.expires_at <= now() ? 'expired' : 'live';
}
