/** Runs command lines one after another in one process, and says how each ended, in lines of JSON. */
import { main } from '../../src/cli/main.ts';

let said = '';
const keep = ((chunk: string | Uint8Array): boolean => {
  said += String(chunk);
  return true;
}) as typeof process.stdout.write;

process.on('message', (line: readonly string[]) => {
  said = '';
  process.exitCode = 0;
  const { stdout, stderr } = process;
  const kept = [stdout.write, stderr.write] as const;
  stdout.write = keep;
  stderr.write = keep;
  main([...line])
    .then(
      () => null,
      (error: unknown) => String(error),
    )
    .then((thrown) => {
      [stdout.write, stderr.write] = kept;
      process.send?.({ code: process.exitCode, said, thrown });
    });
});
process.send?.('ready');
