/** Runs command lines one after another in one process, and says how each ended, in lines of JSON. */
import { main } from '../../src/cli/main.ts';

const { stdout, stderr } = process;
const written = { stdout: stdout.write.bind(stdout), stderr: stderr.write.bind(stderr) };

// Each command line listens to the process anew.
process.setMaxListeners(0);

let said = '';
const keep = ((chunk: string | Uint8Array): boolean => {
  said += String(chunk);
  return true;
}) as typeof process.stdout.write;

async function run(line: readonly string[]): Promise<void> {
  said = '';
  process.exitCode = 0;
  stdout.write = keep;
  stderr.write = keep;
  let thrown: string | null = null;
  try {
    await main([...line]);
  } catch (error) {
    thrown = String(error);
  }
  stdout.write = written.stdout;
  stderr.write = written.stderr;
  process.send?.({ code: process.exitCode, said, thrown });
}

process.on('message', (line: readonly string[]) => void run(line));
process.send?.('ready');
