/**
 * What handlers log, which may be anything, as plain JSON: it has to reach the log, often through
 * another process, and a word to the log never costs an attempt.
 */
import type { Json } from '../job/json.ts';
import type { Logger } from '../job/log.ts';

/** Values in one line at most: of a client or a socket nobody wants to read them all. */
const VALUES_MAX = 1_000;
const UNREADABLE = '[unreadable]';
/** Of an error; whatever else hangs on it, such as a request with its headers, is not for the log. */
const OF_ERRORS = ['name', 'message', 'stack', 'cause', 'errors'];

/** A logger that takes whatever it is given, and never throws. */
export function handlerLog(log: Logger): Logger {
  const at =
    (level: keyof Logger) =>
    (fields: object, message?: string): void => {
      try {
        const [said, text] = [plain(fields), plain(message)];
        if (typeof said === 'string') log[level]({}, said);
        else
          log[level](
            Object.assign({}, said as object),
            typeof text === 'string' ? text : undefined,
          );
      } catch {
        // Nothing is left to say, or nobody to say it to.
      }
    };
  return { debug: at('debug'), info: at('info'), warn: at('warn'), error: at('error') };
}

/** A copy as JSON would have it; what JSON cannot say is left out or named, and nothing throws. */
function plain(value: unknown): Json | undefined {
  return new Copy().member({ value }, 'value');
}

class Copy {
  #left = VALUES_MAX;
  readonly #above = new Set<object>();

  /** A getter or a proxy may throw, so whatever is read of a value is read here. */
  member(owner: object, key: string | number): Json | undefined {
    try {
      return this.#value((owner as Readonly<Record<string, unknown>>)[key]);
    } catch {
      return UNREADABLE;
    }
  }

  #value(value: unknown): Json | undefined {
    switch (typeof value) {
      case 'string':
      case 'boolean':
        return value;
      case 'number':
        return Number.isFinite(value) ? value : String(value);
      case 'bigint':
        return String(value);
      case 'object':
        return value === null ? null : this.#object(value);
      default:
        return undefined;
    }
  }

  #object(value: object): Json | undefined {
    if (this.#above.has(value)) return '[Circular]';
    this.#above.add(value);
    try {
      if (value instanceof Error) return this.#members(value, OF_ERRORS);
      if (ArrayBuffer.isView(value)) return `[${value.byteLength} bytes]`;
      const shown: unknown =
        'toJSON' in value && typeof value.toJSON === 'function' ? value.toJSON() : value;
      if (typeof shown !== 'object' || shown === null) return this.#value(shown);
      return Array.isArray(shown) ? this.#items(shown) : this.#members(shown, Object.keys(shown));
    } finally {
      this.#above.delete(value);
    }
  }

  #members(owner: object, keys: readonly string[]): Json {
    const members: [string, Json][] = [];
    for (const [index, key] of keys.entries()) {
      if ((this.#left -= 1) < 0) {
        members.push(['…', `${keys.length - index} more`]);
        break;
      }
      const copy = this.member(owner, key);
      if (copy !== undefined) members.push([key, copy]);
    }
    return Object.fromEntries(members);
  }

  #items(list: readonly unknown[]): Json {
    const items: Json[] = [];
    for (let index = 0; index < list.length; index += 1) {
      if ((this.#left -= 1) < 0) {
        items.push(`… ${list.length - index} more`);
        break;
      }
      items.push(this.member(list, index) ?? null);
    }
    return items;
  }
}
