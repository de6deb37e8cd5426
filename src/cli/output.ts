/**
 * Data goes to stdout, talk goes to stderr.
 */

/** One line of data. */
export function printLine(text: string): void {
  process.stdout.write(`${text}\n`);
}

/** One line of JSON; indented where a person reads it. */
export function printJson(value: unknown, asJson: boolean): void {
  printLine(JSON.stringify(value, null, asJson ? 0 : 2));
}

export function say(text: string): void {
  process.stderr.write(`${text}\n`);
}

/** A value in a line of text. */
export function shown(value: unknown): string {
  return typeof value === 'string' ? value : JSON.stringify(value ?? null);
}
