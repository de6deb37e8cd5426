/**
 * Data goes to stdout, talk goes to stderr.
 */

/** One line of data. */
export function printLine(text: string): void {
  process.stdout.write(`${text}\n`);
}

/** One line of JSON; indented where a person reads it. */
export function printJson(value: unknown, asJson: boolean): void {
  printLine(escaped(JSON.stringify(value, null, asJson ? 0 : 2)));
}

/** The same JSON in which no character moves the cursor of a terminal or turns its text around. */
export function escaped(json: string): string {
  return json.replaceAll(/[\u007F-\u009F\u2028\u2029]|\p{Cf}/gu, (character) =>
    character
      .split('')
      .map((unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`)
      .join(''),
  );
}

export function say(text: string): void {
  process.stderr.write(`${text}\n`);
}

/** A value in a line of text. */
export function shown(value: unknown): string {
  return typeof value === 'string' ? value : JSON.stringify(value ?? null);
}
