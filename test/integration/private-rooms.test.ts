import { describe, expect, test } from 'bun:test';
import { clientFrames } from '../../src/protocol/client-frames.ts';
import { API_KEY } from '../support/people.ts';
import { fresh, startServer } from '../support/server.ts';
import { mint, SECRET } from '../support/tokens.ts';

/**
 * An outsider asks the same of a private room, with people and messages in it, and of one that is not
 * there, and gets the same answers, but for the name.
 */
const server = await startServer({ authSecret: SECRET, apiKey: API_KEY });
const { request } = server;

const [owner, member, stranger] = [fresh('owner'), fresh('member'), fresh('stranger')];
const [there, missing] = [fresh('room'), fresh('room')];
/** The text of the messages there, which occurs nowhere else. */
const hidden = fresh('hidden');
const ownerToken = await mint({ sub: owner });
const memberToken = await mint({ sub: member });
const strangerToken = await mint({ sub: stranger });
for (const token of [memberToken, strangerToken]) await request('GET', '/rooms', token);
await request('POST', '/rooms', ownerToken, { name: there, private: true, topic: hidden });
await request('PUT', `/rooms/${there}/members/${member}`, ownerToken);
await request('PUT', `/rooms/${there}/bans/${fresh('x')}`, ownerToken);
const inside = await server.connect(memberToken);
inside.send({ type: 'join', username: member, room: there });
inside.send({ type: 'message', content: hidden, id: 'm' });
const { messageId } = await inside.untilType('ack');
/** The id of a message in that room, and one that no message has. */
const said = { [there]: messageId as number, [missing]: 4_000_000_000 };

const outsiders = { guest: undefined, account: strangerToken };
const guest = fresh('guest');
await request('POST', '/users', undefined, { username: guest });

/** The routes that name a room in their path; a new one is asked without being listed. */
const inPath = server.routes.filter(({ path }) => path.includes(':room'));
/** The routes that name a message. */
const byMessage = server.routes.filter(({ path }) => path.startsWith('/messages/:id'));
/** And the others, any of which might take it in its query. */
const byQuery = server.routes.filter(
  ({ method, path }) => method === 'GET' && !path.includes(':') && !path.startsWith('/public'),
);
const bodies: Record<string, object> = {
  'PATCH /rooms/:room': { topic: 'x' },
  'POST /rooms/:room/events': { name: 'x' },
  'PATCH /messages/:id': { content: 'x' },
};

/** Everything that an outsider may see of an answer. */
async function answer(room: string, asked: Promise<Response>) {
  const response = await asked;
  response.headers.delete('date');
  // It is that of the body, which is compared.
  response.headers.delete('content-length');
  const seen = { headers: [...response.headers], status: response.status };
  return JSON.parse(withoutNames(JSON.stringify({ ...seen, body: await response.text() }), room));
}

/** The names of the room and of its message differ, as they must. */
function withoutNames(text: string, room: string): string {
  return text.replaceAll(room, 'ROOM').replaceAll(`message ${said[room]}`, 'MESSAGE');
}

describe('a private room does not exist for others', () => {
  for (const [who, token] of Object.entries(outsiders)) {
    const username = token ? stranger : guest;
    const asks: [what: string, ask: (room: string) => Promise<Response>][] = [
      ...inPath.map(({ method, path }): [string, (room: string) => Promise<Response>] => [
        `${method} ${path}`,
        (room) =>
          request(
            method,
            path.replace(':room', room).replace(':username', member),
            token,
            bodies[`${method} ${path}`],
          ),
      ]),
      ...byMessage.map(({ method, path }): [string, (room: string) => Promise<Response>] => [
        `${method} ${path}`,
        (room) =>
          request(
            method,
            path.replace(':id', `${said[room]}`).replace(':emoji', '👍') +
              (token ? '' : `?username=${username}`),
            token,
            bodies[`${method} ${path}`],
          ),
      ]),
      ...byQuery.map(({ path }): [string, (room: string) => Promise<Response>] => [
        `GET ${path}?room=`,
        (room) => request('GET', `${path}?room=${room}`, token),
      ]),
      [
        'searching',
        (room) => request('GET', `/messages/search?room=${room}&q=${hidden.slice(0, 6)}`, token),
      ],
      ['reading on', (room) => request('GET', `/events?room=${room}&since=0`, token)],
      ['paging', (room) => request('GET', `/messages?room=${room}&after=0&limit=1`, token)],
      ['speaking', (room) => request('POST', '/messages', token, { username, content: 'x', room })],
    ];
    for (const [what, ask] of asks) {
      test(`${what}, asked by ${who}`, async () => {
        const answers = [await answer(there, ask(there)), await answer(missing, ask(missing))];
        expect(answers[0]).toEqual(answers[1]);
        expect(JSON.stringify(answers).includes(hidden)).toBe(false);
      });
    }

    test(`every frame but a join, sent by ${who}`, async () => {
      const client = await server.connect(token);
      client.send({ type: 'join', username, protocol: 1, room: fresh('own') });
      await client.untilType('joined');
      const given = { content: 'x', name: 'x', username, token: token ?? 'x', emoji: '👍', seq: 1 };
      for (const [type, { properties }] of Object.entries(clientFrames)) {
        if (type === 'join') continue;
        const answers: unknown[] = [];
        for (const room of [there, missing]) {
          const fields = Object.entries({ ...given, room, messageId: said[room] });
          const known = fields.filter(([field]) => field in properties);
          client.send({ type, ...Object.fromEntries(known), id: 'f' });
          const { timestamp: _, ...reply } = { timestamp: '', ...(await client.next()) };
          answers.push(JSON.parse(withoutNames(JSON.stringify(reply), room)));
        }
        expect({ type, answer: answers[0] }).toEqual({ type, answer: answers[1] });
      }
    });
  }

  test('lists of rooms and people do not change with it', async () => {
    const lists = async () => {
      const seen: unknown[] = [];
      for (const token of Object.values(outsiders)) {
        for (const path of ['/rooms?after=zz', '/users/active?room=zzz', '/messages']) {
          seen.push(await (await request('GET', path, token)).json());
        }
      }
      return seen;
    };
    const before = await lists();
    const another = fresh('zzz');
    await request('POST', '/rooms', ownerToken, { name: another, private: true });
    inside.send({ type: 'join', username: member, room: another });
    await inside.settle();
    expect(await lists()).toEqual(before);
  });

  test('the name of a private room is taken, as creating a room of that name shows', async () => {
    const client = await server.connect();
    client.send({ type: 'join', username: guest, room: there });
    expect(await client.expect('error')).toMatchObject({
      code: 'not_found',
      content: `There is no room "${there}"`,
    });
    const made = await request('POST', '/rooms', strangerToken, { name: there });
    expect(made.status).toBe(409);
    expect(await made.text()).not.toContain(hidden);
  });
});
