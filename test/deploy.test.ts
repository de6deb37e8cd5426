/** What deploy/ names is there. Nothing here builds an image or needs an engine for containers. */
import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { program } from '../src/cli/program.ts';

const root = fileURLToPath(new URL('..', import.meta.url));
const read = (path: string): string => readFileSync(join(root, 'deploy', path), 'utf8');
const compose = read('compose.yaml');
const all = (pattern: RegExp, text: string): string[] =>
  [...text.matchAll(pattern)].map(([, found = '']) => found);

test('options of the compose file are options of their commands', () => {
  const lists = [
    ...all(/command: \[(.+)\]/g, compose).map((text) => text.split(', ')),
    ...all(/command:\n((?: +- .+\n)+)/g, compose).map((text) => all(/- (.+)\n/g, text)),
  ];
  assert.equal(lists.length, 3);
  for (const [name = '', ...rest] of lists) {
    let command = program().commands.find((one) => one.name() === name);
    if (rest[0]?.startsWith('--') === false) {
      command = command?.commands.find((one) => one.name() === rest[0]);
      rest.shift();
    }
    assert.ok(command, name);
    for (const option of rest.map((text) => text.split('=')[0])) {
      assert.ok(
        command.options.some(({ long }) => long === option),
        `${name} has no ${option}`,
      );
    }
  }
});

test('files that the image is made of are there and reach the build', () => {
  const ignored = read('Dockerfile.dockerignore');
  const sent = all(/^!(.+)$/gm, ignored);
  for (const path of sent) assert.ok(existsSync(join(root, path)), path);
  const copied = all(/^COPY (?!--from)(.+) \S+$/gm, read('Dockerfile')).flatMap((line) =>
    line.split(' '),
  );
  for (const path of copied.filter((one) => one !== '.')) assert.ok(sent.includes(path), path);
  const { files } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as {
    readonly files: readonly string[];
  };
  for (const name of files.filter((one) => one !== 'dist')) assert.ok(sent.includes(name), name);
});

test('variables of the compose file are those of the example', () => {
  const used = all(/\$\{(\w+)/g, compose);
  const told = all(/^(\w+)=/gm, read('.env.example'));
  assert.deepEqual([...new Set(used)].toSorted(), told.toSorted());
});
