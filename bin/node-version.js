/**
 * The first thing that every entry loads: says in one sentence that this Node is too old, instead
 * of letting an old Node stumble over syntax or modules that it does not know.
 *
 * Plain JavaScript that Node 14 can read; nothing here may import anything newer.
 */

const MAJOR_MIN = 24;
const MINOR_MIN = 11;

/** Run `start` when this Node is 24.11 or later; else say what to do on stderr and exit with 1. */
export function runOnNode24(start) {
  const [major, minor] = process.versions.node.split('.').map(Number);
  if (major > MAJOR_MIN || (major === MAJOR_MIN && minor >= MINOR_MIN)) return start();
  process.stderr.write(
    `mcp-async-jobs needs Node ${MAJOR_MIN}.${MINOR_MIN} or later but this is Node ${process.versions.node}: ` +
      'install Node 24 LTS or later, or, in the repository, run `npm ci` and then ' +
      '`npm run -s cli -- ...`, which brings its own Node 24.\n',
  );
  process.exitCode = 1;
  return undefined;
}
