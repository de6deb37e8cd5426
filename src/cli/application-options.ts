import { Option, type Command } from 'commander';
import { jobsOption, numberOption } from './options.ts';

export interface ApplicationOptions {
  readonly db: string;
  readonly jobs?: string;
  /** False by `--no-migrate`. */
  readonly migrate?: boolean;
  readonly connections?: number;
  readonly keyFile?: string;
  readonly maxQuantity: number;
  readonly exportDays: number;
  readonly allotment: number;
  readonly overagePrice: string;
}

/** The options that say what is run, in the order of the help. */
export function addApplicationOptions(command: Command): Command {
  const ofAccessCodes = [
    new Option(
      '--key-file <file>',
      'key of the codes; made when missing (default: <db>.key; none on PostgreSQL)',
    ),
    numberOption('--max-quantity <n>', 'most codes in a batch', {
      min: 1,
      max: 10_000,
      fallback: 1_000,
    }),
    numberOption(
      '--export-days <n>',
      'how long a batch can be exported; then its codes are wiped',
      {
        min: 1,
        max: 3_650,
        unit: 'days',
        fallback: 30,
      },
    ),
    numberOption('--allotment <n>', 'free redemptions of a team in a calendar month', {
      min: 0,
      max: 1_000_000_000,
      fallback: 100_000,
    }),
    new Option('--overage-price <price>', 'price of a redemption beyond it, such as 0.03').default(
      '0.03',
    ),
  ];
  command
    .addOption(
      new Option('--no-migrate', 'refuse tables that are not up to date, see `migrate apply`'),
    )
    .addOption(
      numberOption(
        '--connections <n>',
        'pool of this process and its workers on PostgreSQL; one more listens',
        { min: 2, max: 1_000, fallback: 10 },
      ),
    )
    .addOption(jobsOption());
  for (const option of ofAccessCodes) command.addOption(option.conflicts('jobs'));
  return command;
}
