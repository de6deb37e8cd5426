/** JSON as a value: what is stored, sent and compared. */
export type Json =
  null | boolean | number | string | readonly Json[] | { readonly [key: string]: Json };

/**
 * The value of a text, or `instead` where there is none, or no JSON. A disk may have changed a row;
 * then that is this row's trouble, and nobody else's.
 */
export function parsedOr<T>(text: unknown, instead: T): T {
  try {
    return text === null ? instead : (JSON.parse(text as string) as T);
  } catch {
    return instead;
  }
}

/**
 * Where a value is not JSON, or null when it is.
 *
 * A value that would be changed by a round trip through JSON text (a Date, undefined in an array,
 * NaN, a Map, a cycle) is refused here instead of being stored as something else.
 *
 * @returns a sentence such as "at result.when: a Date"
 */
export function whyNotJson(value: unknown, path: string): string | null {
  return find(value, path, new Set());
}

function find(value: unknown, path: string, above: Set<object>): string | null {
  switch (typeof value) {
    case 'string':
    case 'boolean':
      return null;
    case 'number':
      return Number.isFinite(value) ? null : `at ${path}: ${value}`;
    case 'object':
      return value === null ? null : findInObject(value, path, above);
    default:
      return `at ${path}: ${value === undefined ? 'undefined' : `a ${typeof value}`}`;
  }
}

function findInObject(value: object, path: string, above: Set<object>): string | null {
  if (above.has(value)) return `at ${path}: a cycle`;
  if (above.size > 200) return `at ${path}: nested more than 200 levels deep`;
  above.add(value);
  try {
    if (Array.isArray(value)) {
      for (const [index, item] of value.entries()) {
        const why = find(item, `${path}[${index}]`, above);
        if (why) return why;
      }
      return null;
    }
    const prototype = Object.getPrototypeOf(value) as object | null;
    if (prototype !== null && prototype !== Object.prototype) {
      return `at ${path}: ${nameOfClass(prototype)}`;
    }
    for (const [key, item] of Object.entries(value)) {
      // An absent member and one that is undefined are the same thing to JSON.
      const why = item === undefined ? null : find(item, `${path}.${key}`, above);
      if (why) return why;
    }
    return null;
  } finally {
    above.delete(value);
  }
}

function nameOfClass(prototype: object): string {
  const { constructor } = prototype;
  return typeof constructor === 'function'
    ? `a ${constructor.name}`
    : 'an object of an unknown class';
}
