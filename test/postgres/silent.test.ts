/** A connection that listens and falls silent without closing is missed. */
import { once } from 'node:events';
import { connect, createServer, type AddressInfo, type Socket } from 'node:net';
import { test } from 'node:test';
import { openStore } from '../../src/postgres.ts';
import { aJob } from '../support/a-job.ts';
import { emptyDatabase } from '../support/postgres.ts';
import type { Ending } from '../support/temp.ts';
import { until } from '../support/until.ts';

/** A way to a database on which connections can be silenced; those that come later are not. */
async function aWay(t: Ending, url: string): Promise<{ url: string; silence: () => void }> {
  const pairs = new Set<readonly [Socket, Socket]>();
  const server = createServer((near) => {
    const far = connect(Number(new URL(url).port), '127.0.0.1');
    pairs.add([near, far]);
    for (const socket of [near, far]) socket.on('error', () => {});
    near.pipe(far).pipe(near);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.after(() => {
    for (const socket of [...pairs].flat()) socket.destroy();
    server.close();
  });
  const through = new URL(url);
  through.port = String((server.address() as AddressInfo).port);
  const silence = () => {
    for (const [near, far] of pairs) {
      near.unpipe(far);
      far.unpipe(near);
      for (const socket of [near, far]) socket.pause();
    }
  };
  return { url: through.href, silence };
}

test('notices are heard again when the connection that listens has fallen silent', async (t) => {
  const direct = await emptyDatabase();
  const way = await aWay(t, direct);
  const [one, other] = [await openStore(way.url), await openStore(direct)];
  for (const store of [one, other]) t.after(() => store.close());
  const heard = new Set<string>();
  let looks = 0;
  one.onChange((notice) => {
    if (notice === null) looks += 1;
    else heard.add(notice.id);
  });
  await until('it listens', () => looks > 0);
  await until('it hears', async () => {
    const { id } = await other.insert(aJob(), 0);
    return until('heard', () => heard.has(id), { ms: 300 }).catch(() => false);
  });
  way.silence();
  await until(
    'it hears again',
    async () => {
      const { id } = await other.insert(aJob(), 0);
      return until('heard', () => heard.has(id), { ms: 300 }).catch(() => false);
    },
    { ms: 25_000 },
  );
});
