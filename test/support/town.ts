import { SQL } from 'bun';
import { Client } from './client.ts';
import { API_KEY } from './people.ts';
import { mint } from './tokens.ts';

/** Long enough for an answer of whatever comes. */
const PATIENCE_MS = 6000;

/** What came of it; `unknown` where the server could not tell. */
export type Answer = 'yes' | 'no' | 'unknown';
export type Door = 'enter' | 'read' | 'events' | 'write' | 'say';

/** Someone with a token, or a guest without one. */
export interface Townsman {
  name: string;
  token: string | undefined;
  /** When the token was issued, in milliseconds since 1970. */
  issuedAt: number;
}

interface Standing {
  name: string;
  room: string;
  is_private: boolean;
  is_member: boolean;
  is_room_banned: boolean;
  is_muted: boolean;
  is_banned: boolean;
  is_account: boolean;
  ended_at: number;
}

/** Some people and some rooms of one owner, and what the database says of them. */
export class Town {
  readonly rooms = ['red', 'green', 'blue'];
  readonly people: Townsman[] = ['ana', 'ben', 'cleo', 'dan', 'eve'].map((name) => {
    return { name, token: undefined, issuedAt: 0 };
  });
  readonly #db: SQL;
  #owner = '';

  constructor(
    databaseUrl: string,
    private readonly secret: string,
  ) {
    this.#db = new SQL(databaseUrl, { max: 1 });
  }

  /** Makes the rooms, and accounts of all but the last two of the people. */
  async found(url: string): Promise<void> {
    this.#owner = await mint({ sub: 'owner' }, this.secret);
    for (const person of this.people.slice(0, -2)) await this.renew(person);
    for (const { name, token } of this.people) {
      if (token) await this.ask(url, 'GET', '/rooms', token);
      else await this.ask(url, 'POST', '/users', undefined, { username: name });
    }
    for (const room of this.rooms) await this.makeRoom(url, room);
  }

  /** Issues another token. */
  async renew(person: Townsman): Promise<void> {
    person.issuedAt = Date.now();
    person.token = await mint({ sub: person.name, iat: person.issuedAt / 1000 }, this.secret);
  }

  makeRoom(url: string, name: string, isPrivate = false): Promise<number> {
    return this.ask(url, 'POST', '/rooms', this.#owner, { name, private: isPrivate });
  }

  /** Asks as the owner of the rooms; what is nobody's but an admin's, with the key of the back end. */
  rule(url: string, method: string, path: string, body?: object): Promise<number> {
    const token = path.startsWith('/users') ? API_KEY : this.#owner;
    return this.ask(url, method, path, token, body);
  }

  /** @returns the status; 0 when no answer came */
  async ask(
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

  /** Returns once nothing that was asked of the database is at work any more. */
  async quiet(): Promise<void> {
    for (;;) {
      const busy = await this.#db`select pid from pg_stat_activity
        where datname = current_database() and state <> 'idle' and pid <> pg_backend_pid()`;
      if (busy.length === 0) return;
      await Bun.sleep(50);
    }
  }

  /** Holds the lock on a room until the returned function is called. */
  async lock(databaseUrl: string, room: string): Promise<() => Promise<void>> {
    const holder = new SQL(databaseUrl, { max: 1 });
    await holder.unsafe('begin');
    await holder.unsafe(`select from rooms where name = '${room}' for update`);
    return async () => {
      await holder.unsafe('rollback').catch(() => {});
      await holder.close();
    };
  }

  /** What everyone may do in each room that is there, as the database has it. */
  async truth(): Promise<Map<string, Record<Door, Answer>>> {
    const found: Standing[] = await this.#db`
      select u.username as name, r.name as room, r.is_private,
        coalesce(p.is_member, false) as is_member, coalesce(p.is_banned, false) as is_room_banned,
        coalesce(p.is_muted, false) as is_muted, u.banned_at is not null as is_banned,
        u.claimed_at is not null as is_account,
        coalesce(extract(epoch from u.tokens_ended_at) * 1000, 0)::float8 as ended_at
      from users u cross join rooms r
        left join room_people p on p.room_id = r.id and p.user_id = u.id`;
    const truth = new Map<string, Record<Door, Answer>>();
    for (const row of found) {
      const person = this.people.find(({ name }) => name === row.name);
      if (!person || !this.rooms.includes(row.room)) continue;
      const isEnded = row.ended_at > 0 && person.issuedAt <= row.ended_at;
      const isSelf = person.token ? !isEnded : !row.is_account;
      const isIn = !row.is_room_banned && (!row.is_private || row.is_member);
      const mayRead = isSelf && !row.is_banned && isIn;
      const read = mayRead ? 'yes' : 'no';
      const write = mayRead && !row.is_muted ? 'yes' : 'no';
      truth.set(`${row.name} ${row.room}`, {
        enter: read,
        read,
        // A guest who listens is nobody in particular.
        events: person.token ? read : row.is_private ? 'no' : 'yes',
        write,
        say: write,
      });
    }
    return truth;
  }

  /** What a server answers at each of its doors. */
  async answers(url: string, person: Townsman, room: string): Promise<Record<Door, Answer>> {
    const { name, token } = person;
    const [read, events, write, live] = await Promise.all([
      this.ask(url, 'GET', `/messages?room=${room}&limit=1&username=${name}`, token),
      this.ask(url, 'GET', `/events?room=${room}`, token),
      this.ask(url, 'POST', '/messages', token, { username: name, content: 'x', room }),
      this.#enterAndSay(url, person, room),
    ]);
    return {
      ...live,
      read: fromStatus(read),
      events: fromStatus(events),
      write: fromStatus(write),
    };
  }

  /** A connection that stays in as many rooms as it may. @returns undefined when the server takes none */
  async settle(url: string, { name, token }: Townsman): Promise<Client | undefined> {
    const client = await connect(url, token);
    for (const room of this.rooms) {
      client?.send({ type: 'join', username: name, room, protocol: 1 });
    }
    return client;
  }

  async close(): Promise<void> {
    await this.#db.close();
  }

  async #enterAndSay(url: string, { name, token }: Townsman, room: string) {
    const client = await connect(url, token);
    if (!client) {
      // Why the handshake was refused, no client of WebSockets is told.
      const status = await this.ask(url, 'GET', '/rooms', token);
      const why = [401, 403].includes(status) ? 'no' : 'unknown';
      return { enter: why, say: why } as const;
    }
    const enter = await reply(client, { type: 'join', username: name, room, protocol: 1 });
    const said =
      enter === 'yes' ? await reply(client, { type: 'message', content: 'x', room }) : enter;
    client.socket.close();
    return { enter, say: said };
  }
}

async function connect(url: string, token?: string): Promise<Client | undefined> {
  const query = token === undefined ? '' : `?token=${token}`;
  const opening = Client.connect(`${url.replace('http', 'ws')}/ws${query}`).catch(() => undefined);
  return Promise.race([opening, Bun.sleep(PATIENCE_MS).then(() => undefined)]);
}

const UNKNOWN = ['unavailable', 'overloaded', 'internal'];
/** That a token is over, or a user banned. */
const REFUSED = [4401, 4403];

async function reply(client: Client, frame: object): Promise<Answer> {
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
