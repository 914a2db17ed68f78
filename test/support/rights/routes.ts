import type { Scene, Someone } from '../people.ts';
import { fresh, PASSWORD } from '../server.ts';
import {
  admins,
  asAna,
  asGuest,
  type Cells,
  cells,
  counting,
  everyone,
  kinds,
  members,
  never,
  no,
  none,
  ok,
  oneself,
  owners,
  reading,
  rewriting,
  ruling,
  showing,
  speaking,
  unsaying,
} from './cells.ts';

/** A request for a route. */
export interface Attempt {
  /** With the names in it, where the route has any. */
  path?: string;
  body?: object;
}
type Attempts = (scene: Scene, someone: Someone) => Attempt;
type RouteRow = [route: string, what: string, cells: Cells, attempt?: Attempts];

/** A row for each kind of room. */
function both(
  route: string,
  what: string,
  rows: Record<'open' | 'closed', Cells>,
  attempt: (room: string, scene: Scene, someone: Someone, said: number) => Attempt,
): RouteRow[] {
  return kinds.map(([kind, place]) => [
    route,
    `${what}, in ${place}`,
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

/** The rights of every route. */
export const routes: RouteRow[] = [
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
