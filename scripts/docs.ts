/**
 * `npm run docs`: brings the parts of the documents that are copies up to date.
 *
 * Between `<!-- docs: from FILE -->` (or `FILE#REGION`) and `<!-- docs: end -->` stands a piece of
 * source, between `<!-- docs: NAME -->` and the end what NAME below makes. `--check` writes nothing
 * and exits with 1 when something is stale.
 */
import { globSync, readFileSync, writeFileSync } from 'node:fs';
import { extname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Command, Option } from 'commander';
import { format, resolveConfig } from 'prettier';
import { program } from '../src/cli/program.ts';
import { ERRORS, type ErrorSpec } from '../src/job/error-codes.ts';
import { NEXT, STATUSES } from '../src/job/states.ts';

const root = fileURLToPath(new URL('..', import.meta.url));
const PART = /<!-- docs: (?!end )(.+?) -->\n[\s\S]*?<!-- docs: end -->/g;

const MAKERS: Readonly<Record<string, () => string>> = {
  states: stateDiagram,
  errors: errorSections,
  commands: () =>
    program()
      .commands.flatMap((command) => tablesOf(command))
      .join('\n\n'),
};

/** The moves of a job, as Mermaid draws them. */
function stateDiagram(): string {
  const moves = STATUSES.flatMap((from) =>
    NEXT[from].length === 0 ? [`  ${from} --> [*]`] : NEXT[from].map((to) => `  ${from} --> ${to}`),
  );
  return fenced('mermaid', ['stateDiagram-v2', '  [*] --> queued', ...moves].join('\n'));
}

function errorSections(): string {
  return Object.entries<ErrorSpec>(ERRORS)
    .map(([code, { status, retryable, message, remediation }]) => {
      const again = retryable ? 'may succeed' : 'does not help';
      return `### ${code}\n\n${message} ${remediation}\n\nHTTP ${status}; sending the same call again later ${again}.`;
    })
    .join('\n\n');
}

/** The options of a command and of its subcommands, one table each. */
function tablesOf(command: Command, before = ''): string[] {
  const name = `${before}${command.name()}`;
  const rows = command.options.map(
    (option) =>
      `| \`${option.flags.replaceAll('|', '\\|')}\` | ${meaningOf(option)} | ${defaultOf(option)} |`,
  );
  const table = [`### ${name}`, '', '| option | what | default |', '| --- | --- | --- |', ...rows];
  return [
    ...(rows.length > 0 ? [table.join('\n')] : []),
    ...command.commands.flatMap((one) => tablesOf(one, `${name} `)),
  ];
}

function meaningOf({ description, argChoices }: Option): string {
  const choices = argChoices === undefined ? '' : ` (${argChoices.join(', ')})`;
  return `${description}${choices}`.replaceAll('|', '\\|').replaceAll(/<[^>]+>[.\w]*/g, '`$&`');
}

function defaultOf({ defaultValueDescription, envVar, mandatory, ...option }: Option): string {
  // A value that depends on the machine has a description.
  const defaultValue = (defaultValueDescription ?? option.defaultValue) as
    string | number | undefined;
  const parts = [
    mandatory && defaultValue === undefined ? 'must be given' : '',
    defaultValue === undefined ? '' : `\`${defaultValue}\``,
    envVar === undefined ? '' : `\`${envVar}\``,
  ];
  return parts.filter((part) => part !== '').join(', or ');
}

/** A file, or the lines between `// #region NAME` and `// #endregion` of it. */
function sourceOf(place: string): string {
  const [path = '', region] = place.split('#');
  const text = readFileSync(join(root, path), 'utf8');
  if (region === undefined) return fenced(extname(path).slice(1), text.trim());
  const [, found] =
    new RegExp(`// #region ${region}\n([\\s\\S]*?)\n// #endregion`).exec(text) ?? [];
  if (found === undefined) throw new Error(`${path} has no region "${region}".`);
  return fenced(extname(path).slice(1), found.trim());
}

const fenced = (language: string, text: string): string => `\`\`\`${language}\n${text}\n\`\`\``;

function partOf(name: string): string {
  if (name.startsWith('from ')) return sourceOf(name.slice('from '.length));
  const make = MAKERS[name];
  if (make === undefined)
    throw new Error(`Nothing makes "${name}"; there is: ${Object.keys(MAKERS).join(', ')}.`);
  return make();
}

async function fresh(path: string, text: string): Promise<string> {
  const made = text.replaceAll(
    PART,
    (_, name: string) => `<!-- docs: ${name} -->\n\n${partOf(name)}\n\n<!-- docs: end -->`,
  );
  return format(made, { ...(await resolveConfig(path)), parser: 'markdown' });
}

const stale: string[] = [];
for (const path of globSync('{*.md,docs/*.md}', { cwd: root })) {
  const text = readFileSync(join(root, path), 'utf8');
  const wanted = await fresh(join(root, path), text);
  if (wanted === text) continue;
  stale.push(path);
  if (!process.argv.includes('--check')) writeFileSync(join(root, path), wanted);
}
if (process.argv.includes('--check') && stale.length > 0) {
  console.error(`Stale: ${stale.join(', ')}. Run: npm run docs`);
  process.exitCode = 1;
} else if (stale.length > 0) console.log(`Updated: ${stale.join(', ')}`);
