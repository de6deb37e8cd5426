/** Writes docs/reliability.md from the last results. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { format, resolveConfig } from 'prettier';
import { FAULTS, NOT_DONE } from '../test/faults/catalogue.ts';
import { INVARIANTS } from '../test/faults/checker.ts';
import { read, root, type Result } from './faults-results.ts';

const numberOf = (name: string) => Number(name.slice(1));

const HEAD = `# Reliability

What can go wrong is done to the product on purpose: real processes, real signals, real sockets, the
real disk. Everything that clients ask for and workers write is recorded, each call as done, as
certainly not done, or as unknown; one checker then looks for a broken promise, in the record and in
what stands in the database.

\`npm test\` runs a short part of it. The long part is

\`\`\`sh
npm run faults                 # everything, at most an hour; goes on where it was stopped
npm run faults -- F9           # one fault; --engine, --count, --seed and --quick narrow it
npm run faults -- teeth        # plant bugs in a copy of the source, and look whether they are found
\`\`\`

Every run has a seed, and \`--seed\` repeats it. This page is written from the last results by
\`npm run faults -- report\`.
`;

function promises(): string {
  const rows = Object.entries(INVARIANTS).map(([name, { says }]) => `| ${name} | ${says} |`);
  return ['## What is promised', '', '| | |', '| --- | --- |', ...rows].join('\n');
}

function rowsOf(name: string, results: readonly Result[]): string[] {
  const fault = FAULTS.get(name);
  if (!fault) return [];
  return fault.engines.map((engine) => {
    const result = results.find((one) => one.fault === name && one.engine === engine);
    if (!result || result.missing !== null || result.runs === 0) {
      return `| ${name} | ${engine} | **not run** | | ${result?.missing ?? ''} | | |`;
    }
    const { runs, violations, counted, seed, date } = result;
    const facts = Object.entries(counted).map(([what, value]) => `${what}: ${value}`);
    return `| ${name} | ${engine} | ${runs} | ${violations.length} | ${facts.join('; ')} | ${seed} | ${date} |`;
  });
}

export async function writeReport(): Promise<void> {
  const results = read();
  const names = [...FAULTS.keys()];
  const faults = names.map(
    (name) => `| ${name} | ${FAULTS.get(name)?.title} | ${FAULTS.get(name)?.bar} |`,
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
    [
      '| | store | runs | violations | counted | seed | date |',
      '| --- | --- | --- | --- | --- | --- | --- |',
      ...names.flatMap((name) => rowsOf(name, results)),
    ].join('\n'),
    '## What is not run here',
    ['| | fault | why |', '| --- | --- | --- |', ...left].join('\n'),
  ].join('\n\n');
  const path = join(root, 'docs/reliability.md');
  const config = await resolveConfig(path);
  writeFileSync(path, await format(`${text}\n`, { ...config, filepath: path }));
}
