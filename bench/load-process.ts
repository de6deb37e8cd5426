/**
 * Sends requests over kept connections, one at a time on each, with as little work as possible:
 * plain sockets and requests that are put together beforehand, so that the server stays the one
 * that is measured. Ends with its parent.
 */
import { connect, type Socket } from 'node:net';
import type { Load, LoadResult } from './load.ts';

interface Line {
  readonly socket: Socket;
  received: string;
  /** When the request that is out was due. */
  dueAt: number;
}

/** Length of the whole answer, or null while it is not complete. */
function isComplete(text: string): boolean {
  const head = text.indexOf('\r\n\r\n');
  if (head === -1) return false;
  const length = /content-length: (\d+)/i.exec(text.slice(0, head))?.[1];
  if (length !== undefined) return text.length >= head + 4 + Number(length);
  return text.endsWith('0\r\n\r\n');
}

function isGood(text: string): boolean {
  return text.startsWith('HTTP/1.1 200') && !text.includes('"isError":true');
}

async function open(port: number, count: number): Promise<Line[]> {
  const lines: Line[] = [];
  for (let i = 0; i < count; i += 1) {
    const socket = connect({ host: '127.0.0.1', port, noDelay: true });
    await new Promise((resolve, reject) => socket.once('connect', resolve).once('error', reject));
    socket.setEncoding('latin1');
    lines.push({ socket, received: '', dueAt: 0 });
  }
  return lines;
}

function requestsOf({ url, token, calls }: Load): Buffer[] {
  const { host, pathname } = new URL(url);
  return calls.map(({ tool, args }) => {
    const params = {
      name: tool,
      arguments: args,
      _meta: {
        'io.modelcontextprotocol/protocolVersion': '2026-07-28',
        'io.modelcontextprotocol/clientInfo': { name: 'bench', version: '1.0.0' },
        'io.modelcontextprotocol/clientCapabilities': {},
      },
    };
    const body = JSON.stringify({ jsonrpc: '2.0', id: 1, method: 'tools/call', params });
    const head = [
      `POST ${pathname} HTTP/1.1`,
      `Host: ${host}`,
      `Authorization: Bearer ${token}`,
      'Accept: application/json, text/event-stream',
      'Content-Type: application/json',
      'MCP-Protocol-Version: 2026-07-28',
      'Mcp-Method: tools/call',
      `Mcp-Name: ${tool}`,
      `Content-Length: ${Buffer.byteLength(body)}`,
    ];
    return Buffer.from(`${head.join('\r\n')}\r\n\r\n${body}`);
  });
}

async function run(load: Load): Promise<LoadResult> {
  const requests = requestsOf(load);
  const lines = await open(Number(new URL(load.url).port), load.connections);
  const latencies: number[] = [];
  const jobIds: string[] = [];
  let sent = 0;
  const startedAt = performance.now();
  const dueAt = (n: number) => startedAt + (n * 1_000) / (load.perSecond ?? Infinity);
  // In turn, so that none is idle for so long that the server closes it.
  const idle = [...lines];
  const sendDue = (): void => {
    for (let at = performance.now(); idle.length > 0 && sent < load.count; at = performance.now()) {
      if (dueAt(sent) > at) return;
      const line = idle.shift();
      if (!line) return;
      line.received = '';
      // At a fixed rate the wait for a free connection counts too.
      line.dueAt = load.perSecond === undefined ? at : dueAt(sent);
      line.socket.write(requests[sent % requests.length] ?? '');
      sent += 1;
    }
  };
  await new Promise<void>((resolve, reject) => {
    const late = setTimeout(() => reject(new Error('the load took longer than 120 s')), 120_000);
    const ticking = load.perSecond === undefined ? undefined : setInterval(sendDue, 1);
    const done = (error?: Error) => {
      clearTimeout(late);
      clearInterval(ticking);
      if (error) reject(error);
      else resolve();
    };
    for (const line of lines) {
      line.socket.on('data', (chunk: string) => {
        line.received += chunk;
        if (!isComplete(line.received)) return;
        latencies.push(performance.now() - line.dueAt);
        if (!isGood(line.received)) return done(new Error(`a bad answer: ${line.received}`));
        const id = load.keepJobIds === true ? /mjb_[0-9A-Z]{26}/.exec(line.received)?.[0] : null;
        if (id) jobIds.push(id);
        idle.push(line);
        if (latencies.length === load.count) done();
        else sendDue();
      });
      line.socket.on('error', done);
      line.socket.on('close', () => done(new Error('the server closed a connection')));
    }
    sendDue();
  });
  const seconds = (performance.now() - startedAt) / 1_000;
  for (const { socket } of lines) socket.removeAllListeners('close').destroy();
  return { latencies, perSecond: load.count / seconds, jobIds };
}

process.on('message', (load: Load) => {
  run(load).then(
    (result) => process.send?.({ result }),
    (error: unknown) => process.send?.({ error: String(error) }),
  );
});
process.on('disconnect', () => process.exit(0));
