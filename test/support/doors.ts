import { Client } from './client.ts';

/** Long enough for any answer. */
const PATIENCE_MS = 6000;

/** The outcome; `unknown` where the server could not tell. */
export type Answer = 'yes' | 'no' | 'unknown';
/** The ways to enter, read and write to a room: by frames, and by REST. */
export type Door =
  | 'enter'
  | 'history'
  | 'say'
  | 'edit'
  | 'read'
  | 'search'
  | 'events'
  | 'write'
  | 'patch';

interface Someone {
  name: string;
  token: string | undefined;
}

/**
 * The answers of a server to a user at each of its doors to a room.
 *
 * @param messageId of a message of their own there; without one nothing can be edited
 */
export async function answersOf(
  url: string,
  { name, token }: Someone,
  room: string,
  messageId: number | undefined,
): Promise<Record<Door, Answer>> {
  const as = `room=${room}&username=${name}`;
  const ask = async (method: string, path: string, body?: object) =>
    fromStatus(await fetchStatus(url, method, path, token, body));
  const askToEdit = async (): Promise<Answer> =>
    messageId === undefined
      ? 'unknown'
      : ask('PATCH', `/messages/${messageId}`, { content: 'x as well' });
  const [read, search, events, write, patch, frames] = await Promise.all([
    ask('GET', `/messages?limit=1&${as}`),
    ask('GET', `/messages/search?q=x&limit=1&${as}`),
    ask('GET', `/events?room=${room}`),
    ask('POST', '/messages', { username: name, content: 'x', room }),
    askToEdit(),
    answersToFrames(url, { name, token }, room, messageId),
  ]);
  return { ...frames, read, search, events, write, patch };
}

async function answersToFrames(
  url: string,
  { name, token }: Someone,
  room: string,
  messageId: number | undefined,
) {
  const client = await connect(url, token);
  if (!client) {
    // A WebSocket client does not get the reason for a refused handshake.
    const status = await fetchStatus(url, 'GET', '/rooms', token);
    const why = [401, 403].includes(status) ? 'no' : 'unknown';
    return { enter: why, history: why, say: why, edit: why } as const;
  }
  const enter = await reply(client, { type: 'join', username: name, room, protocol: 1 });
  // A user who may not enter gets no other answer.
  const inside = async (frame: object) => (enter === 'yes' ? reply(client, frame) : enter);
  const history = await inside({ type: 'history', room, limit: 1 });
  const say = await inside({ type: 'message', content: 'x', room });
  const edit: Answer =
    messageId === undefined
      ? 'unknown'
      : await inside({ type: 'edit', messageId, content: 'x in a frame' });
  client.socket.close();
  return { enter, history, say, edit };
}

export async function connect(url: string, token?: string): Promise<Client | undefined> {
  const query = token === undefined ? '' : `?token=${token}`;
  const opening = Client.connect(`${url.replace('http', 'ws')}/ws${query}`).catch(() => undefined);
  return Promise.race([opening, Bun.sleep(PATIENCE_MS).then(() => undefined)]);
}

/** @returns the status; 0 when no answer came */
export async function fetchStatus(
  url: string,
  method: string,
  path: string,
  token?: string,
  body?: object,
): Promise<number> {
  try {
    const response = await fetch(url + path, {
      method,
      headers: {
        ...(token !== undefined && { authorization: `Bearer ${token}` }),
        ...(body && { 'content-type': 'application/json' }),
      },
      ...(body && { body: JSON.stringify(body) }),
      signal: AbortSignal.timeout(PATIENCE_MS),
    });
    await response.body?.cancel();
    return response.status;
  } catch {
    return 0;
  }
}

const UNKNOWN = ['unavailable', 'overloaded', 'internal'];
/** The close codes for a token that has ended, and for a banned user. */
const REFUSED = [4401, 4403];

async function reply(client: Client, frame: object): Promise<Answer> {
  if (client.socket.readyState !== WebSocket.OPEN) return 'unknown';
  const id = crypto.randomUUID();
  client.send({ ...frame, id });
  let isOver = false;
  const answered = (async (): Promise<Answer> => {
    while (!isOver) {
      const found = client.received.find(
        (frame) => 'id' in frame && frame.id === id && frame.type !== 'message',
      );
      if (found) {
        if (found.type !== 'error') return 'yes';
        return UNKNOWN.includes(found.code) ? 'unknown' : 'no';
      }
      await Bun.sleep(2);
    }
    return 'unknown';
  })();
  const closed = client.closed.then(
    ({ code }): Answer => (REFUSED.includes(code) ? 'no' : 'unknown'),
  );
  const late = Bun.sleep(PATIENCE_MS).then((): Answer => 'unknown');
  return Promise.race([answered, closed, late]).finally(() => {
    isOver = true;
  });
}

function fromStatus(status: number): Answer {
  if (status === 0 || status >= 500) return 'unknown';
  return status < 300 ? 'yes' : 'no';
}
