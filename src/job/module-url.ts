/**
 * The address of a neighbouring module, with the extension that this tree runs with: `.ts` from
 * source, `.js` from a build. Needed wherever a module is named by address (threads, processes).
 *
 * @param from the caller's `import.meta.url`
 * @param path relative path without extension, such as `./writer-thread`
 */
export function neighbourUrl(from: string, path: string): URL {
  return new URL(`${path}.${from.endsWith('.ts') ? 'ts' : 'js'}`, from);
}

/**
 * Options of Node that threads and processes of ours take over from this one: all but what says
 * how the text on its command line is to be read. Undefined where there is nothing to leave out:
 * Node hands on its own options then, some of which a thread refuses when they are named.
 */
export function inheritedOptions(): string[] | undefined {
  const { execArgv } = process;
  const kept = execArgv.filter((option) => !option.startsWith('--input-type'));
  return kept.length < execArgv.length ? kept : undefined;
}
