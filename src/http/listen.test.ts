import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { closeServer, listen } from './listen.ts';

const CROWD = 700;
const KNOCK = `
  const port = Number(process.argv[1]);
  let open = 0;
  const tell = () => { console.log(open); process.exit(); };
  setTimeout(tell, 5_000);
  for (let i = 0; i < ${CROWD}; i += 1)
    require('node:net').connect(port, '127.0.0.1', () => { if ((open += 1) === ${CROWD}) tell(); });
`;

test('a crowd that connects while the server is busy is not turned away', async (t) => {
  const allowed = Number(readFileSync('/proc/sys/net/core/somaxconn', 'utf8'));
  if (allowed < CROWD) return t.skip(`this system lets ${allowed} connections wait`);
  const { server, port } = await listen('127.0.0.1', 0);
  t.after(async () => closeServer(server, 0));
  // Nothing is accepted until the child has ended.
  const told = execFileSync(process.execPath, ['-e', KNOCK, String(port)], { encoding: 'utf8' });
  assert.equal(Number(told), CROWD);
});
