import { describe, expect, test } from 'bun:test';
import { clientFrames } from '../../src/protocol/client-frames.ts';
import {
  API_KEY,
  makeScene,
  peopleOf,
  type Scene,
  type Someone,
  type Who,
} from '../support/people.ts';
import { rawSocket } from '../support/raw-socket.ts';
import { type Cells, no } from '../support/rights/cells.ts';
import { frames } from '../support/rights/frames.ts';
import { type Attempt, routes } from '../support/rights/routes.ts';
import { fresh, startServer, type TestServer } from '../support/server.ts';
import { SECRET, startKeyServer } from '../support/tokens.ts';

/** @returns the outcome for the requester: `ok`, or the code of the problem */
async function callRoute(
  server: TestServer,
  route: string,
  { path, body }: Attempt,
  { token }: Someone,
) {
  const [method, pattern] = route.split(' ') as [string, string];
  if (route === 'GET /ws') {
    const headers = token === undefined ? [] : [`Authorization: Bearer ${token}`];
    const { handshake, socket } = await rawSocket(server.url, headers);
    const answer = await handshake;
    socket.end();
    return answer.startsWith('HTTP/1.1 101') ? 'ok' : /"code":"(\w+)"/.exec(answer)?.[1];
  }
  const response = await server.request(method, path ?? pattern, token, body);
  if (response.status < 400) {
    await response.body?.cancel();
    return 'ok';
  }
  return (await response.json()).code;
}

/** @returns the outcome for the requester: `ok`, the code of the error, or `closed` and that of the close */
async function sendFrame(
  server: TestServer,
  frame: object,
  { self, token }: Someone,
  joined = fresh('room'),
) {
  const client = await server.connect();
  const room = 'room' in frame ? frame.room : joined;
  const shown = token === undefined ? {} : { token };
  const join = { type: 'join', username: self, protocol: 1, room, ...shown };
  const isJoin = 'type' in frame && frame.type === 'join';
  if (!isJoin) {
    client.send({ ...join, id: 'self' });
    await client.next();
  }
  client.send({ ...(isJoin && join), ...frame, id: 'try' });
  const reply = await Promise.race([
    client.until((frame) => 'id' in frame && frame.id === 'try'),
    client.closed,
  ]);
  if ('code' in reply) return typeof reply.code === 'number' ? `closed ${reply.code}` : reply.code;
  return 'ok';
}

/** The routes and frames that name a message. */
const ABOUT_WHAT_IS_SAID = /:id|^edit$|^delete$|^react$/;

/** After which everything is as before, so that many of them may go by the same scenes. */
const CHANGES_NOTHING = /^GET |^(ping|history|read|typing|event)$/;

/** The outcomes for a user banned from the server, by those of other users with a bad token. */
const whenBanned: Record<string, string> = { [no]: 'banned', 'closed 4401': 'closed 4403' };

const keyServer = await startKeyServer();
for (const mode of ['open', 'required'] as const) {
  describe(`rights in AUTH=${mode}`, async () => {
    const { foreignKeys } = keyServer;
    const server = await startServer({
      auth: mode,
      authSecret: SECRET,
      apiKey: API_KEY,
      foreignKeys,
    });
    await server.register('registered');
    const people = peopleOf(server, keyServer);
    const everybody = Object.keys(people) as Who[];
    const prepare = async (who: Who, isSaid: boolean) => {
      const scene = await makeScene(server, isSaid);
      return { scene, someone: await people[who](scene) };
    };
    const kept = new Map<Who, ReturnType<typeof prepare>>();
    const keptFor = (who: Who) => {
      const prepared = kept.get(who) ?? prepare(who, true);
      kept.set(who, prepared);
      return prepared;
    };

    const expected = (row: Cells, who: Who) => {
      if (who === 'guest') return row.guest[mode];
      if (who === 'banned from the server') return whenBanned[row.bad] ?? row.bad;
      return row[who as Exclude<keyof Cells, 'guest'>] ?? row.bad;
    };
    const check = async (
      what: string,
      row: Cells,
      attempt: (scene: Scene, someone: Someone) => Promise<unknown>,
    ) => {
      const found = await Promise.all(
        everybody.map(async (who) => {
          const { scene, someone } = await (CHANGES_NOTHING.test(what)
            ? keptFor(who)
            : prepare(who, ABOUT_WHAT_IS_SAID.test(what)));
          return [who, await attempt(scene, someone)];
        }),
      );
      const wanted = everybody.map((who) => [who, expected(row, who)]);
      expect(Object.fromEntries(found)).toEqual(Object.fromEntries(wanted));
    };

    test('every route and every frame has a row', () => {
      const served = server.routes.map(({ method, path }) => `${method} ${path}`);
      expect([...new Set(routes.map(([route]) => route))].sort()).toEqual(served.sort());
      const types = [...new Set(frames.map(([type]) => type))];
      expect(types.sort()).toEqual(Object.keys(clientFrames).sort());
    });

    for (const [route, what, row, attempt = () => ({})] of routes) {
      test(`${route}: ${what}`, () =>
        check(route, row, (scene, someone) =>
          callRoute(server, route, attempt(scene, someone), someone),
        ));
    }

    for (const [type, what, row, frame, joined] of frames) {
      test(`${type}: ${what}`, () =>
        check(type, row, (scene, someone) =>
          sendFrame(server, { type, ...frame(scene) }, someone, joined?.(scene)),
        ));
    }
  });
}
