/**
 * `key=value` on a command line becomes the arguments of a tool, typed by the tool's own schema.
 */
import { isBody, type Body } from '../client/answers.ts';
import { CliError } from './exit.ts';

/**
 * Arguments of a tool.
 *
 * A value becomes a number, a boolean, an object or a list where the schema asks for one and the
 * text is one; else it stays text, and the server says what is wrong with it.
 *
 * @param pairs texts of the form `key=value`; they go before `json`
 * @param json an object as JSON text
 * @param schema the tool's input schema
 * @throws CliError for a pair without `=`, a key given twice, or JSON that is no object
 */
export function toolArguments(
  pairs: readonly string[],
  json: string | undefined,
  schema: unknown,
): Record<string, unknown> {
  const properties = isBody(schema) && isBody(schema['properties']) ? schema['properties'] : {};
  const given = new Map<string, unknown>();
  for (const pair of pairs) {
    const at = pair.indexOf('=');
    if (at < 1) {
      throw new CliError('USAGE', `"${pair}" is not an argument of the form key=value.`);
    }
    const key = pair.slice(0, at);
    if (given.has(key)) throw new CliError('USAGE', `The argument "${key}" is given twice.`);
    const property = Object.hasOwn(properties, key) ? properties[key] : undefined;
    given.set(key, typed(pair.slice(at + 1), typesOf(property)));
  }
  return { ...objectOf(json), ...Object.fromEntries(given) };
}

function objectOf(json: string | undefined): Body {
  if (json === undefined) return {};
  const value = parsed(json);
  if (isBody(value)) return value;
  throw new CliError('USAGE', `--args is not a JSON object.`, {
    remediation: `Give one, in quotes: --args '{"quantity": 250}'.`,
  });
}

function typed(text: string, types: readonly string[]): unknown {
  if (types.length > 0 && types.every((type) => type === 'string')) return text;
  const value = parsed(text);
  if (value === undefined || typeof value === 'string') return text;
  return types.length === 0 || types.some((type) => isOf(type, value)) ? value : text;
}

/** JSON types that a property may have; empty when it does not say. */
function typesOf(property: unknown): string[] {
  if (!isBody(property)) return [];
  const { type, anyOf, oneOf, enum: values } = property;
  if (Array.isArray(values)) return values.map(typeName);
  if (type !== undefined) return [type].flat().map(String);
  return [anyOf, oneOf].flatMap((some) => (Array.isArray(some) ? some.flatMap(typesOf) : []));
}

function isOf(type: string, value: unknown): boolean {
  return typeName(value) === type || (type === 'integer' && Number.isInteger(value));
}

function typeName(value: unknown): string {
  if (value === null) return 'null';
  return Array.isArray(value) ? 'array' : typeof value;
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
