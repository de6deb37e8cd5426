/** stdout for the protocol alone. */
import { Writable } from 'node:stream';

/**
 * Take stdout away from everything else in this process: what is printed from now on goes to
 * stderr.
 *
 * @returns the real stdout
 */
export function takeStdout(): Writable {
  const { stdout, stderr } = process;
  const write = stdout.write.bind(stdout);
  const real = new Writable({
    decodeStrings: false,
    write: (chunk: string | Uint8Array, _encoding, done) => void write(chunk, done),
  });
  stdout.on('error', (error) => real.destroy(error));
  stdout.write = stderr.write.bind<typeof stdout.write>(stderr);
  return real;
}
