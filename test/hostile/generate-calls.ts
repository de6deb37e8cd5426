/** Hostile calls of tools and methods, made by seed. */
import * as fc from 'fast-check';
import type { Case } from './case.ts';
import { BROKEN, KEYS, MARK, NUMBER_TEXTS, TEXTS, UNSEEN } from './texts.ts';
import type { Known, Wanted } from './wanted.ts';

/** A number that `JSON.stringify` could not write as it is meant. */
interface Raw {
  readonly raw: string;
}

const anyText = fc.oneof(
  { weight: 6, arbitrary: fc.constantFrom(...TEXTS) },
  { weight: 1, arbitrary: fc.string({ unit: 'binary', maxLength: 40 }) },
  { weight: 1, arbitrary: fc.string({ unit: 'grapheme', maxLength: 40 }) },
);
const anyNumber = fc.constantFrom<Raw[]>(...NUMBER_TEXTS.map((raw) => ({ raw })));
const anyKey = fc.oneof(fc.constantFrom(...KEYS), anyText);

const anything: fc.Arbitrary<unknown> = fc.oneof(
  { weight: 6, arbitrary: anyText },
  { weight: 3, arbitrary: anyNumber },
  { weight: 1, arbitrary: fc.constantFrom(null, true, false, [], {}, [[]], [null], '') },
  { weight: 1, arbitrary: fc.array(anyText, { maxLength: 4 }) },
  { weight: 1, arbitrary: fc.array(fc.tuple(anyKey, anyText), { maxLength: 4 }).map(ownMembers) },
);

/** An object with these members as its own, `__proto__` too. */
function ownMembers(entries: readonly (readonly [string, unknown])[]): object {
  return Object.fromEntries(entries);
}

/** JSON as it is meant, to the digit. */
export function write(value: unknown): string {
  if (typeof value === 'object' && value !== null) {
    if ('raw' in value && typeof value.raw === 'string') return value.raw;
    if (Array.isArray(value)) return `[${value.map(write).join(',')}]`;
    const members = Object.entries(value).filter(([, member]) => member !== undefined);
    return `{${members.map(([key, member]) => `${JSON.stringify(key)}:${write(member)}`).join(',')}}`;
  }
  return JSON.stringify(value) ?? 'null';
}

/** Values that a schema asks for, mostly. */
function fitting(schema: unknown, name: string, known: Known): fc.Arbitrary<unknown> {
  const {
    type,
    enum: values,
    minimum,
    maximum,
    properties,
  } = (schema ?? {}) as {
    readonly type?: string;
    readonly enum?: readonly unknown[];
    readonly minimum?: number;
    readonly maximum?: number;
    readonly properties?: Readonly<Record<string, unknown>>;
  };
  // A wait may take as long as it says.
  if (name === 'wait_seconds') return fc.constant(0);
  if (values !== undefined) return fc.constantFrom(...values);
  if (name.endsWith('_id') || name === 'code') {
    const own = known.own[name];
    return fc.constantFrom(...(own === undefined ? [] : [own]), ...known.foreign);
  }
  if (type === 'integer' || type === 'number') {
    return fc.integer({ min: Math.max(minimum ?? 0, -10), max: Math.min(maximum ?? 50, 50) });
  }
  if (type === 'boolean') return fc.boolean();
  if (properties !== undefined) return argumentsOf(properties, known);
  return fc.oneof(fc.constantFrom('29.00', 'USD', 'Gold'), anyText);
}

function argumentsOf(properties: object, known: Known): fc.Arbitrary<object> {
  const members = Object.entries(properties).map(([name, schema]) =>
    fc
      .oneof(
        { weight: 5, arbitrary: fitting(schema, name, known) },
        { weight: 3, arbitrary: name === 'wait_seconds' ? anyText : anything },
        { weight: 1, arbitrary: fc.constant(undefined) },
      )
      .map((value) => [name, value] as const),
  );
  const strangers = fc.array(fc.tuple(anyKey, anything), { maxLength: 3 });
  return fc
    .tuple(fc.tuple(...members), fc.oneof({ weight: 3, arbitrary: fc.constant([]) }, strangers))
    .map(([own, others]) => ownMembers([...own, ...others]));
}

/** Calls of every tool that the server lists, with arguments that are almost right. */
export function toolCases(known: Known, { seed, perTool }: Wanted): Case[] {
  return known.tools.flatMap(({ name, inputSchema }, at) => {
    const properties = inputSchema['properties'] ?? {};
    const args = fc.oneof(
      { weight: 12, arbitrary: argumentsOf(properties, known) },
      { weight: 1, arbitrary: anything },
    );
    return fc.sample(args, { seed: seed + at, numRuns: perTool }).map((value): Case => {
      const text = write(value);
      return {
        kind: 'arguments',
        what: `${name} ${text.slice(0, 300)}`,
        tool: name,
        body: callOf(name, text),
      };
    });
  });
}

/** A call whose arguments are JSON text already. */
export function callOf(tool: string, args: string): string {
  return `{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":${JSON.stringify(tool)},"arguments":${args}}}`;
}

const METHODS: readonly string[] = [
  'initialize',
  'ping',
  'tools/list',
  'tools/call',
  'tasks/get',
  'tasks/result',
  'tasks/list',
  'tasks/cancel',
  'tasks/update',
  'resources/list',
  'resources/read',
  'resources/templates/list',
  'resources/subscribe',
  'prompts/list',
  'prompts/get',
  'logging/setLevel',
  'completion/complete',
  'sampling/createMessage',
  'elicitation/create',
  'roots/list',
  'server/discover',
  'notifications/initialized',
  'notifications/cancelled',
  'notifications/progress',
  'notifications/roots/list_changed',
  'rpc.discover',
  'tools/call ',
  'Tools/List',
  'tools//list',
  '',
  'constructor',
  '__proto__',
  'toString',
];

const IDS: readonly unknown[] = [
  1,
  0,
  -1,
  '1',
  '',
  null,
  { raw: '1.5' },
  { raw: '1e309' },
  { raw: '9007199254740993' },
  [],
  {},
  true,
  'x'.repeat(100_000),
  '\u0000',
  '\u202e',
  '__proto__',
  undefined,
  { raw: '-0' },
  [1],
  { id: 1 },
];

/** JSON-RPC envelopes that are almost right: methods, ids, params, batches, answers sent in. */
export function envelopeCases(known: Known, { seed, envelopes }: Wanted): Case[] {
  const ids = [...known.foreign, ...Object.values(known.own)];
  const params = fc.oneof(
    fc.constantFrom<unknown[]>(undefined, null, {}, [], 'x', 1, { name: MARK }, { _meta: null }),
    fc.record({ taskId: fc.oneof(fc.constantFrom(...ids), anything) }),
    fc.record({ uri: anyText, name: anyText, cursor: anything }, { requiredKeys: [] }),
    fc.record({ _meta: fc.array(fc.tuple(anyKey, anything), { maxLength: 3 }).map(ownMembers) }),
    fc.record({ name: anyText, arguments: anything, task: anything }, { requiredKeys: [] }),
    fc.record({ taskId: fc.constantFrom(...ids), inputResponses: anything, requestState: anyText }),
  );
  const one = fc.record(
    {
      jsonrpc: fc.oneof({ weight: 8, arbitrary: fc.constant<unknown>('2.0') }, anything),
      id: fc.oneof({ weight: 3, arbitrary: fc.constant<unknown>(1) }, fc.constantFrom(...IDS)),
      method: fc.oneof({ weight: 8, arbitrary: fc.constantFrom<unknown[]>(...METHODS) }, anything),
      params,
      result: anything,
      error: anything,
    },
    { requiredKeys: ['jsonrpc', 'id', 'method', 'params'] },
  );
  const modern = { 'mcp-protocol-version': '2026-07-28' };
  const meta = {
    'io.modelcontextprotocol/protocolVersion': '2026-07-28',
    'io.modelcontextprotocol/clientInfo': { name: 'x', version: '1' },
    'io.modelcontextprotocol/clientCapabilities': {
      extensions: { 'io.modelcontextprotocol/tasks': {} },
    },
  };
  return fc
    .sample(fc.tuple(one, fc.nat(9)), { seed, numRuns: envelopes })
    .map(([message, how]): Case => {
      const { method, params: given, ...rest } = message;
      const isModern =
        how >= 6 && typeof given === 'object' && given !== null && !Array.isArray(given);
      const whole = { ...rest, method, params: isModern ? { ...given, _meta: meta } : given };
      const body =
        how === 0 ? write([whole]) : how === 1 ? write([whole, whole, 1, null]) : write(whole);
      const header = typeof method === 'string' && /^[\x21-\x7e]+$/.test(method) ? method : 'x';
      const headers = isModern ? { ...modern, 'mcp-method': header } : {};
      return { kind: 'envelope', what: body.slice(0, 300), headers, body };
    });
}

/** Ids of every kind in every place that takes one. */
export function idCases(known: Known): Case[] {
  const sorts = known.foreign.flatMap((id) => [
    id,
    id.toLowerCase(),
    id.toUpperCase(),
    id.slice(0, -1),
    `${id}0`,
    ` ${id}`,
    `${id} `,
    `${id}\n`,
    `${id}\u0000`,
    id.slice(4),
    encodeURIComponent(id),
    Buffer.from(id).toString('base64'),
    `${id}' OR '1'='1`,
    `${id}/../x`,
    id.split('').toReversed().join(''),
    id.replace(/.$/, (last) => (last === '0' ? '1' : '0')),
    `${id.slice(0, 4)}${'0'.repeat(26)}`,
    `${id}%00`,
    id.repeat(3),
  ]);
  const ids = [
    ...new Set([
      ...sorts,
      ...BROKEN,
      ...UNSEEN.map((one) => `mjb_${one}`),
      '',
      'x'.repeat(100),
      'x'.repeat(101),
    ]),
  ];
  const takers = known.tools.flatMap(({ name, inputSchema }) =>
    Object.keys(inputSchema['properties'] ?? {})
      .filter((key) => key.endsWith('_id') || key === 'cursor')
      .map((key) => ({ name, key })),
  );
  return ids.flatMap((id) =>
    takers.map(({ name, key }): Case => ({
      kind: 'id',
      what: `${name} ${key} ${JSON.stringify(id)}`,
      tool: name,
      body: callOf(
        name,
        write({ ...restOf(name, known), [key]: key === 'cursor' ? cursorOf(id) : id }),
      ),
    })),
  );
}

/** What else the tool needs, so that the id is what it is refused for. */
function restOf(tool: string, known: Known): object {
  const all: Record<string, object> = {
    create_plan: {
      name: 'Gold',
      price: '1.00',
      currency: 'USD',
      billing_cycle: 'days',
      ...known.own,
    },
    preview_access_code_cost: { quantity: 1 },
    bulk_generate_access_codes: { quantity: 1, export_type: 'file', expiry_preset: 'no_expiry' },
    redeem_access_code: { code: 'A'.repeat(16) },
    answer_job: { answers: {} },
  };
  const {
    job_id: _,
    plan_id: __,
    batch_id: ___,
    code: ____,
    ...given
  } = (all[tool] ?? {}) as Record<string, unknown>;
  return tool === 'redeem_access_code' ? { ...given, code: 'A'.repeat(16) } : given;
}

function cursorOf(id: string): string {
  return Buffer.from(`1700000000000:${id}`).toString('base64url').slice(0, 220);
}
