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
import { fresh, PASSWORD, startServer, type TestServer } from '../support/server.ts';
import { SECRET, startKeyServer } from '../support/tokens.ts';

/**
 * The rights: each row is a route or a frame of the application, each column a requester.
 * A route or a frame without a row fails the test.
 */

type Mode = 'open' | 'required';

/** The outcome. Only that for guests differs between the two modes. */
interface Cells {
  guest: Record<Mode, string>;
  account: string;
  'another account': string;
  admin: string;
  'API key': string;
  owner: string;
  member: string;
  muted: string;
  banned: string;
  /** Of everyone whose token is not good, whatever is wrong with it. */
  bad: string;
}

/** Where no room matters: whoever is known there is just another account. */
function cells(
  open: string,
  required: string,
  account: string,
  another: string,
  admin: string,
  key: string,
  bad: string,
): Cells {
  return {
    guest: { open, required },
    account,
    'another account': another,
    admin,
    'API key': key,
    owner: another,
    member: another,
    muted: another,
    banned: another,
    bad,
  };
}

/** In a room of the owner's. */
function inRoom(
  open: string,
  required: string,
  stranger: string,
  ruler: string,
  member: string,
  muted: string,
  banned: string,
  bad = no,
): Cells {
  return {
    guest: { open, required },
    account: stranger,
    'another account': stranger,
    admin: ruler,
    'API key': ruler,
    owner: ruler,
    member,
    muted,
    banned,
    bad,
  };
}

const ok = 'ok';
const no = 'unauthorized';
const never = 'forbidden';
const none = 'not_found';
const everyone = cells(ok, ok, ok, ok, ok, ok, ok);
const members = cells(ok, no, ok, ok, ok, ok, no);
const admins = cells(no, no, never, never, ok, ok, no);
const oneself = cells(no, no, ok, ok, ok, never, no);
const asAna = cells(no, no, ok, never, never, ok, no);
const asGuest = cells(ok, no, never, never, never, ok, no);
const owners = cells(no, no, ok, ok, ok, ok, no);
/** After a join as oneself; in `AUTH=required` a guest was not let in. */
const joined = cells(ok, 'not_joined', ok, ok, ok, ok, 'closed 4401');

/** Rows for a public and for a private room. */
const reading = {
  open: inRoom(ok, no, ok, ok, ok, ok, 'banned'),
  closed: inRoom(none, no, none, ok, ok, ok, 'banned'),
};
const speaking = {
  open: inRoom(ok, no, ok, ok, ok, 'muted', 'banned'),
  closed: inRoom(none, no, none, ok, ok, 'muted', 'banned'),
};
const ruling = {
  open: inRoom(no, no, never, ok, never, never, never),
  closed: inRoom(none, no, none, ok, never, never, never),
};
/** Messages of the owner: for the owner and for admins. */
const rewriting = {
  open: inRoom(no, no, never, ok, never, 'muted', 'banned'),
  closed: inRoom(no, no, none, ok, never, 'muted', 'banned'),
};
const unsaying = {
  open: { ...rewriting.open, muted: never },
  closed: { ...rewriting.closed, muted: never },
};
/** Only for those who have a token. */
const showing = {
  open: { ...speaking.open, guest: { open: no, required: no } },
  closed: { ...speaking.closed, guest: { open: no, required: no } },
};
const counting = {
  open: reading.open,
  closed: inRoom(ok, no, ok, ok, ok, ok, 'banned'),
};
/** After a join of the room, which not everyone was let into. */
const inside = {
  open: inRoom(ok, 'not_joined', ok, ok, ok, ok, 'not_joined', 'closed 4401'),
  closed: inRoom('not_joined', 'not_joined', 'not_joined', ok, ok, ok, 'not_joined', 'closed 4401'),
};
const talking = {
  open: { ...inside.open, muted: 'muted' },
  closed: { ...inside.closed, muted: 'muted' },
};

const correcting = {
  open: { ...talking.open, ...only('forbidden') },
  closed: { ...talking.closed, ...only('forbidden'), guest: talking.closed.guest },
};
/** Of those who are let in but rule nothing; the guest only where guests are let in. */
function only(refused: string) {
  const guest = { open: refused, required: 'not_joined' };
  return { guest, account: refused, 'another account': refused, member: refused };
}
const withdrawing = {
  open: { ...correcting.open, muted: never },
  closed: { ...correcting.closed, muted: never },
};
for (const row of [correcting.closed, withdrawing.closed]) {
  row.account = 'not_joined';
  row['another account'] = 'not_joined';
}

interface Attempt {
  /** With the names in it, where the route has any. */
  path?: string;
  body?: object;
}
type Attempts = (scene: Scene, someone: Someone) => Attempt;
type RouteRow = [route: string, what: string, cells: Cells, attempt?: Attempts];

/** One row for each kind of room. */
function both(
  route: string,
  what: string,
  rows: Record<'open' | 'closed', Cells>,
  attempt: (room: string, scene: Scene, someone: Someone, said: number) => Attempt,
): RouteRow[] {
  return (['open', 'closed'] as const).map((kind) => [
    route,
    `${what}, in ${kind === 'open' ? 'a public' : 'a private'} room`,
    rows[kind],
    (scene, someone) => attempt(scene[kind], scene, someone, scene.said[kind]),
  ]);
}

/** The route with the room, and with someone of the scene, where it names them. */
const at =
  (route: string) =>
  (room: string, { owner }: Scene) => ({
    path: `${route.replace(':room', room).replace(':username', owner)}`,
  });
const about =
  (route: string) =>
  (room: string, { guest }: Scene) => ({
    path: `${route.replace(':room', room).replace(':username', guest)}`,
  });

const routes: RouteRow[] = [
  ['GET /', 'the front page', everyone],
  ['OPTIONS /', 'what a browser asks before', everyone],
  ['OPTIONS /*', 'of any path', everyone],
  ['GET /test', 'the tester', everyone],
  ['GET /swagger', 'Swagger UI', everyone],
  ['GET /swagger-ui.css', 'its own style', everyone],
  ['GET /swagger-ui-bundle.js', 'its own script', everyone],
  ['GET /*', 'the files in public/', everyone, () => ({ path: '/swagger.js' })],
  ['GET /swagger/json', 'the documentation', everyone],
  ['GET /client.js', 'the client library', everyone],
  ['GET /client.js.map', 'its source map', everyone],
  ['GET /tester.css', 'its source map', everyone],
  ['GET /tester.js', 'its source map', everyone],
  ['GET /tester.js.map', 'its source map', everyone],
  [
    'GET /client/:file',
    'a part of it that is not there',
    cells(none, none, none, none, none, none, none),
    () => ({ path: '/client/nothing.js' }),
  ],
  ['GET /ws-info', 'the frames', everyone],
  ['GET /health', 'alive', everyone],
  ['GET /ready', 'ready', everyone],
  ['GET /asyncapi.json', 'the frames for generators', everyone],
  ['GET /metrics', 'how it does', cells(no, no, never, never, ok, ok, no)],
  ['GET /ws', 'the handshake', cells(ok, ok, ok, ok, ok, ok, no)],
  [
    'POST /messages',
    'speak as ana',
    asAna,
    ({ ana }) => ({ body: { username: ana, content: 'x' } }),
  ],
  [
    'POST /messages',
    'speak as a guest',
    asGuest,
    ({ guest }) => ({ body: { username: guest, content: 'x' } }),
  ],
  ...both('POST /messages', 'speak as oneself', speaking, (room, _, { self }) => ({
    body: { username: self, content: 'x', room },
  })),
  ...both('GET /messages', 'read', reading, (room) => ({ path: `/messages?room=${room}` })),
  ...both('GET /messages/search', 'search', reading, (room) => ({
    path: `/messages/search?room=${room}&q=said`,
  })),
  ...both('GET /messages/:id', 'see what the owner said', reading, (_, __, ___, said) => ({
    path: `/messages/${said}`,
  })),
  [
    'PATCH /messages/:id',
    'edit what ana said',
    { ...cells(no, no, ok, never, ok, ok, no), muted: 'muted', banned: 'banned' },
    ({ said }) => ({ path: `/messages/${said.byAna}`, body: { content: 'x' } }),
  ],
  ...both('PATCH /messages/:id', 'edit what the owner said', rewriting, (_, __, ___, said) => ({
    path: `/messages/${said}`,
    body: { content: 'x' },
  })),
  ...both('DELETE /messages/:id', 'delete what the owner said', unsaying, (_, __, ___, said) => ({
    path: `/messages/${said}`,
  })),
  ...['PUT', 'DELETE'].flatMap((method) =>
    both(
      `${method} /messages/:id/reactions/:emoji`,
      'react as oneself',
      speaking,
      (_, __, { self }, said) => ({ path: `/messages/${said}/reactions/👍?username=${self}` }),
    ),
  ),
  [
    'GET /notifications',
    'see what waits',
    members,
    (_, { self }) => ({ path: `/notifications?username=${self}` }),
  ],
  [
    'GET /notifications',
    'see what waits for ana',
    cells(no, no, ok, never, never, ok, no),
    ({ ana }) => ({ path: `/notifications?username=${ana}` }),
  ],
  [
    'POST /notifications',
    'tell everyone',
    admins,
    ({ guest }) => ({ body: { to: [guest], data: {} } }),
  ],
  [
    'PUT /notifications/:id/read',
    'have read what is not one’s own',
    cells(none, no, none, none, none, none, no),
    (_, { self }) => ({ path: `/notifications/4000000000/read?username=${self}` }),
  ],
  [
    'GET /me/rooms',
    'see one’s rooms',
    members,
    (_, { self }) => ({ path: `/me/rooms?username=${self}` }),
  ],
  [
    'GET /me/rooms',
    'see ana’s rooms',
    cells(no, no, ok, never, never, ok, no),
    ({ ana }) => ({ path: `/me/rooms?username=${ana}` }),
  ],
  ...both('GET /events', 'listen', reading, (room) => ({ path: `/events?room=${room}` })),
  ['GET /rooms', 'look around', members],
  ['POST /rooms', 'make a room', owners, () => ({ body: { name: fresh('new'), private: true } })],
  ...both('GET /rooms/:room', 'look at it', reading, at('/rooms/:room')),
  ...both('PATCH /rooms/:room', 'change it', ruling, (room) => ({
    path: `/rooms/${room}`,
    body: { topic: 'x' },
  })),
  ...both('DELETE /rooms/:room', 'delete it', ruling, at('/rooms/:room')),
  ...both('GET /rooms/:room/members', 'list its members', reading, at('/rooms/:room/members')),
  ...both('GET /rooms/:room/bans', 'list its bans', ruling, at('/rooms/:room/bans')),
  ...both('GET /rooms/:room/mutes', 'list its mutes', ruling, at('/rooms/:room/mutes')),
  ...both(
    'GET /rooms/:room/members/:username',
    'see who belongs to it',
    reading,
    at('/rooms/:room/members/:username'),
  ),
  ...both('PUT /rooms/:room/members/:username', 'let someone in', ruling, (room, { ana }) => ({
    path: `/rooms/${room}/members/${ana}`,
  })),
  ...both(
    'DELETE /rooms/:room/members/:username',
    'put someone out',
    ruling,
    about('/rooms/:room/members/:username'),
  ),
  ...['bans', 'mutes'].flatMap((what) =>
    ['PUT', 'DELETE'].flatMap((method) =>
      both(
        `${method} /rooms/:room/${what}/:username`,
        what,
        ruling,
        about(`/rooms/:room/${what}/:username`),
      ),
    ),
  ),
  ...both('POST /rooms/:room/events', 'show something', showing, (room) => ({
    path: `/rooms/${room}/events`,
    body: { name: 'x' },
  })),
  ['GET /users/active', 'see who is here', members],
  ...both('GET /users/active', 'see who is there', counting, (room) => ({
    path: `/users/active?room=${room}`,
  })),
  [
    'GET /users/:username',
    'look someone up',
    members,
    ({ guest }) => ({ path: `/users/${guest}` }),
  ],
  ['POST /users', 'make a guest', members, () => ({ body: { username: fresh('new') } })],
  [
    'POST /users',
    'make an account',
    everyone,
    () => ({ body: { username: fresh('new'), password: PASSWORD } }),
  ],
  [
    'POST /users',
    'be ana without a token',
    cells('name_taken', no, 'name_taken', 'name_taken', 'name_taken', 'name_taken', no),
    ({ ana }) => ({ body: { username: ana } }),
  ],
  [
    'POST /users',
    'give ana a password',
    cells(...(Array(7).fill('name_taken') as Parameters<typeof cells>)),
    ({ ana }) => ({ body: { username: ana, password: PASSWORD } }),
  ],
  ['PUT /users/:username/ban', 'ban', admins, ({ guest }) => ({ path: `/users/${guest}/ban` })],
  ['DELETE /users/:username/ban', 'lift', admins, ({ guest }) => ({ path: `/users/${guest}/ban` })],
  [
    'POST /sessions',
    'sign in',
    everyone,
    () => ({ body: { username: 'registered', password: PASSWORD } }),
  ],
  ['DELETE /sessions', 'sign out', oneself],
  ['PUT /me/password', 'change it', oneself, () => ({ body: { password: 'another password' } })],
];

type FrameRow = [
  type: string,
  what: string,
  cells: Cells,
  frame: (scene: Scene) => object,
  /** The room that is joined before, when the frame does not name it. */
  joined?: (scene: Scene) => string,
];

function bothFrames(
  type: string,
  rows: Record<'open' | 'closed', Cells>,
  frame: object = {},
): FrameRow[] {
  return (['open', 'closed'] as const).map((kind) => [
    type,
    `in ${kind === 'open' ? 'a public' : 'a private'} room`,
    rows[kind],
    (scene) => ({ ...frame, room: scene[kind] }),
  ]);
}

/** Changes to the messages of the owner in the room. */
function onSaid(
  type: string,
  rows: Record<'open' | 'closed', Cells>,
  frame: object = {},
): FrameRow[] {
  return (['open', 'closed'] as const).map((kind) => [
    type,
    `what the owner said in ${kind === 'open' ? 'a public' : 'a private'} room`,
    rows[kind],
    (scene) => ({ ...frame, messageId: scene.said[kind] }),
    (scene) => scene[kind],
  ]);
}

/** The frame is sent after a join of its room as oneself, unless it is a join itself. */
const frames: FrameRow[] = [
  ['join', 'as ana', asAna, ({ ana }) => ({ username: ana })],
  ['join', 'as a guest', asGuest, ({ guest }) => ({ username: guest })],
  ...bothFrames('join', reading),
  ...bothFrames('message', talking, { content: 'x' }),
  ...bothFrames('typing', talking),
  ...bothFrames('event', talking, { name: 'x' }),
  ...bothFrames('history', inside),
  ...bothFrames('read', inside, { seq: 1 }),
  ['message', 'to someone directly', joined, ({ guest }) => ({ to: guest, content: 'x' })],
  ...onSaid('edit', correcting, { content: 'x' }),
  ...onSaid('delete', withdrawing),
  ...onSaid('react', talking, { emoji: '👍' }),
  ...bothFrames('leave', inside),
  ['ping', 'ask', cells(ok, ok, ok, ok, ok, ok, 'closed 4401'), () => ({})],
  [
    'auth',
    'bring a fresh token of ana',
    cells(never, 'not_joined', ok, never, never, never, 'closed 4401'),
    ({ again }) => ({ token: again }),
  ],
];

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

/** What someone banned from the server gets where others with a bad token get this. */
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
