/**
 * The one place where this package reaches below the SDK's public API: around the `tools/call`
 * handler of a server, outside the SDK's own checks.
 *
 * Why: the SDK answers arguments that are no object with a protocol error before any tool is
 * asked, and it has no way to put something else in the place of a tool's answer. Both protected
 * members used here are in the published types since 2.0.0.
 */
import { Server, type ServerContext } from '@modelcontextprotocol/server';
import { advertise } from './advertise.ts';

type Stored = NonNullable<ReturnType<Seam['_getRequestHandler']>>;

const ANYTHING = advertise({ type: 'object' });

class Seam extends Server {
  /** Makes a `Seam` another type than a `Server`, as the compiler sees it. */
  declare private readonly isSeam: true;

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

// The SDK copies the context on its way to a tool, but not the signal in it.
const sent = new WeakMap<AbortSignal, unknown>();

/**
 * Let the tools that `isOurs` names receive arguments of every shape. Call it once per server,
 * after its first tool was registered; the tools read what was sent with `argumentsOf`.
 */
export function receiveAnyArguments(server: Server, isOurs: (tool: unknown) => boolean): void {
  Seam.wrap(server, 'tools/call', (inner) => async (request, context) => {
    const params = request.params ?? {};
    const given: unknown = params['arguments'];
    if (!isOurs(params['name']) || given === undefined) return inner(request, context);
    sent.set(context.mcpReq.signal, given);
    if (isObject(given)) return inner(request, context);
    return inner({ ...request, params: { ...params, arguments: {} } }, context);
  });
}

/** The arguments as the caller sent them; an empty object when there were none. */
export function argumentsOf(context: ServerContext): unknown {
  return sent.has(context.mcpReq.signal) ? sent.get(context.mcpReq.signal) : {};
}

function isObject(value: unknown): boolean {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
