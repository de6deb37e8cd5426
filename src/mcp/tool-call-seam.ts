/**
 * The one place where this package reaches below the SDK's public API: around handlers of a server,
 * outside the SDK's own checks.
 *
 * Why: the SDK answers arguments that are no object with a protocol error before any tool is
 * asked, it has no way to put a task in the place of a tool's answer, and it answers params that
 * fail its schemas with an internal error. Both protected members
 * used here are in the published types since 2.0.0. Where a later SDK lacks them, a warning says
 * so and the tools do with the public API (`task-answer.ts`).
 */
import {
  ProtocolError,
  ProtocolErrorCode,
  Server,
  type ServerContext,
} from '@modelcontextprotocol/server';
import { printable, shownName } from '../job/printable.ts';
import { advertise } from './advertise.ts';

type Stored = NonNullable<ReturnType<Seam['_getRequestHandler']>>;

const ANYTHING = advertise({ type: 'object' });

class Seam extends Server {
  /** Makes a `Seam` another type than a `Server`, as the compiler sees it. */
  declare private readonly isSeam: true;

  static isIn(server: Server): boolean {
    const members = ['_getRequestHandler', '_wrapHandler'];
    return members.every((name) => typeof Reflect.get(server, name) === 'function');
  }

  static has(server: Server, method: string): boolean {
    return (server as Seam)._getRequestHandler(method) !== undefined;
  }

  static wrap(server: Server, method: string, make: (inner: Stored) => Stored): void {
    const seam = server as Seam;
    const inner = seam._getRequestHandler(method);
    if (inner === undefined) throw new Error(`The SDK has no handler for ${method} to wrap.`);
    const outer = make(inner);
    // The instance's own member hides the prototype's for this one registration, so that the new
    // handler is stored as it is: the SDK's checks are inside `inner` already.
    seam._wrapHandler = () => outer;
    try {
      server.setRequestHandler(method, { params: ANYTHING }, () => ({}));
    } finally {
      Reflect.deleteProperty(seam, '_wrapHandler');
    }
  }
}

let isWarned = false;

/** Whether the SDK has the hooks; says loudly, once per process, when it has not. */
export function hasSeam(server: Server): boolean {
  if (Seam.isIn(server)) return true;
  if (!isWarned) {
    process.emitWarning(
      'This version of @modelcontextprotocol/server lacks the hooks that mcp-async-jobs builds on. Tools do with the public API: wrong arguments are answered by the SDK, asynchronous tools have no outputSchema, 2025-11-25 clients get no tasks. Install a version that this package names as its peer.',
      { code: 'MCP_ASYNC_JOBS_SEAM' },
    );
  }
  isWarned = true;
  return false;
}

/** What a `tools/call` was sent with, as far as the SDK keeps it from the tool. */
interface Sent {
  readonly args: unknown;
  /** Whether a 2025-11-25 client asks for a task. */
  readonly wantsTask: boolean;
}

/** A call that is under way. */
interface Passing extends Sent {
  /** Makes what is put in the place of the answer. */
  replace?: () => object;
}

// The SDK copies the context on its way to a tool, but not the signal in it.
const passing = new Map<AbortSignal, Passing>();

/**
 * Let the tools that `isOurs` names receive arguments of every shape, and put something else in the
 * place of their answers. Call it once per server, after its first tool was registered.
 */
export function takeToolCalls(server: Server, isOurs: (tool: unknown) => boolean): void {
  if (!hasSeam(server)) return;
  Seam.wrap(server, 'tools/call', (inner) => async (request, context) => {
    const params = request.params ?? {};
    const name = params['name'];
    if (!isOurs(name)) return withoutName(name, () => inner(request, context));
    const { signal } = context.mcpReq;
    const given: unknown = params['arguments'];
    const args = given === undefined ? {} : given;
    const call: Passing = { args, wantsTask: isObject(params['task']) };
    passing.set(signal, call);
    try {
      const proper = isObject(args)
        ? request
        : { ...request, params: { ...params, arguments: {} } };
      const answer = await inner(proper, context);
      return (call.replace?.() as typeof answer | undefined) ?? answer;
    } finally {
      passing.delete(signal);
    }
  });
}

/** The SDK names an unknown tool back, which may be any text of any length. */
async function withoutName<T>(name: unknown, call: () => Promise<T>): Promise<T> {
  if (typeof name !== 'string') {
    const message = 'Invalid params: name must be the name of a tool.';
    throw new ProtocolError(ProtocolErrorCode.InvalidParams, message);
  }
  try {
    return await call();
  } catch (error) {
    if (!(error instanceof ProtocolError) || name === '') throw error;
    throw new ProtocolError(
      error.code,
      error.message.replaceAll(name, shownName(name)),
      error.data,
    );
  }
}

const URI_CHARACTERS = 2_000;

/** Methods that the SDK itself answers. */
const METHODS_OF_SDK = [
  'initialize',
  'tools/list',
  'resources/list',
  'resources/templates/list',
  'resources/read',
  'prompts/list',
  'prompts/get',
  'completion/complete',
  'logging/setLevel',
];

/**
 * Answer what is wrong with a call of the SDK's own methods as the caller's mistake, and what broke
 * as ours, without its text. Call it once, when everything is registered.
 *
 * @param onFault told of what broke
 */
export function guardMethods(
  server: Server,
  onFault: (error: unknown, method: string) => void,
): void {
  if (!hasSeam(server)) return;
  for (const method of METHODS_OF_SDK.filter((one) => Seam.has(server, one))) {
    Seam.wrap(server, method, (inner) => async (request, context) => {
      if (method === 'resources/read') demandUri(request.params?.['uri']);
      try {
        return await inner(request, context);
      } catch (error) {
        // The SDK answers with the code of an error when it has one, and always with its text.
        if (error instanceof ProtocolError) throw error;
        const problem = wrongParams(error);
        if (problem !== null) throw new ProtocolError(ProtocolErrorCode.InvalidParams, problem);
        onFault(error, method);
        throw new ProtocolError(ProtocolErrorCode.InternalError, 'Internal error');
      }
    });
  }
}

/** The SDK repeats a URI that it does not know, whatever it is. */
function demandUri(uri: unknown): void {
  if (typeof uri !== 'string') return;
  if (URL.canParse(uri) && printable(uri, URI_CHARACTERS) === uri) return;
  const message = `Invalid params: uri must be an absolute URI of at most ${URI_CHARACTERS} visible characters.`;
  throw new ProtocolError(ProtocolErrorCode.InvalidParams, message);
}

/** What the SDK throws for wrong params is an `Error` whose text is a list of issues in JSON. */
function wrongParams(error: unknown): string | null {
  if (!(error instanceof Error) || !error.message.startsWith('[')) return null;
  try {
    const [first] = JSON.parse(error.message) as { path: unknown[]; message: string }[];
    if (first === undefined) return null;
    const path = shownName(first.path.map(String).join('.'));
    return `Invalid params: ${path}: ${printable(first.message, 200)}.`;
  } catch {
    return null;
  }
}

/** Keep what this server advertises in its `initialize` result, of 2025, to what `keep` leaves. */
export function filterInitialize(server: Server, keep: (result: object) => object): void {
  if (!hasSeam(server)) return;
  Seam.wrap(server, 'initialize', (inner) => async (request, context) => {
    const result = await inner(request, context);
    return keep(result) as typeof result;
  });
}

/** What was sent; null where the seam is missing. */
export function sentTo({ mcpReq: { signal } }: ServerContext): Sent | null {
  return passing.get(signal) ?? null;
}

/**
 * Put something else in the place of the answer, once the SDK has done all its checks.
 *
 * @param make gives the result, or throws the JSON-RPC error
 */
export function replaceAnswer({ mcpReq: { signal } }: ServerContext, make: () => object): void {
  const call = passing.get(signal);
  if (call) call.replace = make;
}

function isObject(value: unknown): boolean {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
