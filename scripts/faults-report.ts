/** Writes docs/reliability.md from the last results. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { format, resolveConfig } from 'prettier';
import { FAULTS, NOT_DONE } from '../test/faults/catalogue.ts';
import { INVARIANTS } from '../test/faults/checker.ts';
import { bites, teeth } from './faults-teeth.ts';
import { countOf, isFull, latest, read, root, type Result } from './faults-results.ts';

const numberOf = (name: string) => Number(name.slice(1));

const HEAD = `# Reliability

What can go wrong is done to the product on purpose: real processes, real signals, real sockets, the
real disk. Everything that clients ask for and workers write is recorded, each call as done, as
certainly not done, or as unknown; one checker then looks for a broken promise, in the record and in
what stands in the database.

\`npm test\` runs a short part of it. The long part is

\`\`\`sh
npm run faults                 # everything, for an hour; started again, it goes on where it stopped
npm run faults -- F9           # one fault; --engine, --count, --seed, --minutes and --quick narrow it
npm run faults -- teeth        # plant bugs in a copy of the source, and look whether they are found
\`\`\`

Each fault runs in a process of its own. Those that measure time run one at a time, the others as many
side by side as there are processors (\`--lanes\`).

Every run prints its seed. In the tables \`7 +20\` means seed 7 done 20 times; \`--seed 7 --count 20\`
repeats it. What the processes of a fault do between two signals is up to the machine, so a repeated
run does the same things at the same points, not in the same microsecond; the simulation (F19) repeats
to the letter. The source is a digest of \`src/\` and \`test/faults/\`. This page is written from the
last results by \`npm run faults -- report\`; results of another machine are named after it.
`;

function promises(): string {
  const rows = Object.entries(INVARIANTS).map(([name, { says }]) => `| ${name} | ${says} |`);
  return ['## What is promised', '', '| | |', '| --- | --- |', ...rows].join('\n');
}

function rowsOf(name: string, results: readonly Result[]): string[] {
  const fault = FAULTS.get(name);
  if (!fault) return [];
  return fault.engines.map((engine) => {
    const head = `| ${name} | ${engine} |`;
    const result = latest(results, name, engine);
    if (!result) {
      const why = results.find((one) => one.fault === name && one.engine === engine)?.missing ?? '';
      return `${head} **not run** | | | ${why} | | | |`;
    }
    const { runs, violations, counted, source, date, ms } = result;
    const each = (ms / 1_000 / Math.max(1, countOf(result))).toPrecision(2);
    const facts = Object.entries(counted).map(([what, value]) => `${what}: ${value}`);
    const done = isFull(result) ? '' : ` (${countOf(result)} of ${fault.full})`;
    return `${head} ${runs}${done} | ${each} | ${violations.length} | ${facts.join('; ')} | ${seedsOf(result)} | ${source} | ${date.slice(0, 10)} |`;
  });
}

/** Pieces whose seeds go on where the last ended are told as one. */
function seedsOf({ pieces }: Result): string {
  const spans: { seed: number; count: number }[] = [];
  for (const { seed, count } of pieces.toSorted((a, b) => a.seed - b.seed)) {
    const last = spans.at(-1);
    if (last && last.seed + last.count === seed) last.count += count;
    else spans.push({ seed, count });
  }
  return spans.map(({ seed, count }) => `${seed} +${count}`).join(', ');
}

function toothRows(): string[] {
  const all = bites();
  return teeth().map(({ name, says, found: [fault, engine] }) => {
    const bite = all.find((one) => one.name === name);
    const result = bite
      ? `${bite.found?.slice(0, 100).replaceAll('|', '/') ?? '**not found**'} | ${bite.seconds} | ${bite.source} | ${bite.date.slice(0, 10)}`
      : '**not run** | | | ';
    return `| ${says} | ${fault} on ${engine} | ${result} |`;
  });
}

export async function writeReport(): Promise<void> {
  const results = read();
  const names = [...FAULTS.keys()];
  const faults = names.map(
    (name) => `| ${name} | ${FAULTS.get(name)?.title} | ${FAULTS.get(name)?.bar} |`,
  );
  const shorter = [...FAULTS].flatMap(([name, { short, full }]) =>
    short === undefined ? [] : [`| ${name} | ${full} | ${short} |`],
  );
  const left = Object.entries(NOT_DONE)
    .sort(([a], [b]) => numberOf(a) - numberOf(b))
    .map(([name, { title, why }]) => `| ${name} | ${title} | ${why} |`);
  const text = [
    HEAD,
    promises(),
    '## What is done',
    ['| | fault | what has to hold |', '| --- | --- | --- |', ...faults].join('\n'),
    '## Last results',
    'A figure such as (60 of 2,000) is how far the long part has come with one state of the source, in the time that there was on two cores that others used as well; started again, it goes on.',
    [
      '| | store | runs | seconds each | violations | counted | seeds | source | date |',
      '| --- | --- | --- | --- | --- | --- | --- | --- | --- |',
      ...names.flatMap((name) => rowsOf(name, results)),
    ].join('\n'),
    '## Planted bugs',
    [
      '| bug | looked for by | found | seconds | source | date |',
      '| --- | --- | --- | --- | --- | --- |',
      ...toothRows(),
    ].join('\n'),
    '## What is shorter than it should be',
    ['| | long part | why |', '| --- | --- | --- |', ...shorter].join('\n'),
    '## What is not run here',
    ['| | fault | why |', '| --- | --- | --- |', ...left].join('\n'),
  ].join('\n\n');
  const path = join(root, 'docs/reliability.md');
  const config = await resolveConfig(path);
  writeFileSync(path, await format(`${text}\n`, { ...config, filepath: path }));
}
