import type { Client } from './client.ts';
import { type Answer, answersOf, connect, type Door, fetchStatus } from './doors.ts';
import { API_KEY } from './people.ts';
import type { seeded } from './random.ts';
import { PASSWORD } from './server.ts';
import { mint } from './tokens.ts';

/** A user with a token, or a guest without one. */
export interface Townsman {
  name: string;
  token: string | undefined;
  /** The time at which the token was issued, in milliseconds since 1970. */
  issuedAt: number;
}

/** The state of a user in a room, as the database has it. */
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
  message_id: number | null;
}

/** The rights of a user in a room, and the user's newest message there. */
export interface Rights {
  doors: Record<Door, Answer>;
  messageId: number | undefined;
}

const STANDINGS = `
  select u.username as name, r.name as room, r.is_private,
    coalesce(p.is_member, false) as is_member, coalesce(p.is_banned, false) as is_room_banned,
    coalesce(p.is_muted, false) as is_muted, u.banned_at is not null as is_banned,
    u.claimed_at is not null as is_account,
    coalesce(extract(epoch from u.tokens_ended_at) * 1000, 0)::float8 as ended_at,
    (select max(m.id) from messages m
      where m.room_id = r.id and m.user_id = u.id and m.deleted_at is null)::float8 as message_id
  from users u cross join rooms r
    left join room_people p on p.room_id = r.id and p.user_id = u.id`;

const ACCOUNTS = 3;
const GUESTS = 2;
const actions = ['private', 'members', 'bans', 'mutes', 'out', 'token', 'again', 'claim'] as const;

/** Users and rooms of one owner, with their rights by the database. */
export class Town {
  readonly rooms = ['red', 'green', 'blue'];
  people: Townsman[] = [];
  #owner = '';
  #names = 0;

  /**
   * @param query asks the database
   * @param secret with which tokens are signed
   */
  constructor(
    private readonly query: (text: string) => Promise<unknown[]>,
    private readonly secret: string,
    private readonly random: ReturnType<typeof seeded>,
  ) {}

  /** Creates the rooms and the users. */
  async found(url: string): Promise<void> {
    this.#owner = await mint({ sub: 'owner' }, this.secret);
    for (const room of this.rooms) await this.#makeRoom(url, room);
    for (let n = 0; n < ACCOUNTS; n++) {
      const person = this.#newcomer();
      await this.#renew(person);
      await fetchStatus(url, 'GET', '/rooms', person.token);
    }
    await this.settleGuests(url);
  }

  /** Replaces guests whose names have become accounts by new guests, and as many of the others. */
  async settleGuests(url: string): Promise<void> {
    const guests = this.people.filter(({ token }) => !token).slice(-GUESTS);
    this.people = [...this.people.filter(({ token }) => token).slice(-ACCOUNTS), ...guests];
    while (this.people.length < ACCOUNTS + GUESTS) {
      const { name: username } = this.#newcomer();
      await fetchStatus(url, 'POST', '/users', undefined, { username });
    }
  }

  /** Changes the rights of a random user; the database decides whether that works. */
  async change(url: string): Promise<void> {
    const { random } = this;
    const room = random.pick(this.rooms);
    const person = random.pick(this.people);
    const method = random.pick(['PUT', 'DELETE']);
    const action = random.pick(actions);
    const [isPrivate, isRare, isKept] = [2, 3, 2].map((of) => random.integer(of) === 0);
    switch (action) {
      case 'private':
        await this.rule(url, 'PATCH', `/rooms/${room}`, { private: isPrivate });
        return;
      case 'out':
        await this.rule(url, method, `/users/${person.name}/ban`);
        return;
      case 'token':
        if (!person.token) return;
        if ((await fetchStatus(url, 'DELETE', '/sessions', person.token)) === 204 && isKept)
          await this.#renew(person);
        return;
      case 'claim': {
        if (person.token) return;
        const credentials = await this.#credentials(person.name);
        const claim = { username: person.name, password: PASSWORD };
        // By the first token of the name, or by a password.
        const status = isRare
          ? await fetchStatus(url, 'GET', '/rooms', credentials.token)
          : await fetchStatus(url, 'POST', '/users', undefined, claim);
        if ([200, 201].includes(status) && isKept) Object.assign(person, credentials);
        return;
      }
      case 'again':
        if (!isRare) return;
        await this.rule(url, 'DELETE', `/rooms/${room}`);
        await this.#makeRoom(url, room, isPrivate);
        return;
      default:
        await this.rule(url, method, `/rooms/${room}/${action}/${person.name}`);
    }
  }

  /** Sends a request as the owner of the rooms; requests for admins with the key of the back end. */
  rule(url: string, method: string, path: string, body?: object): Promise<number> {
    const token = path.startsWith('/users') ? API_KEY : this.#owner;
    return fetchStatus(url, method, path, token, body);
  }

  /** The rights of every user in each existing room, by the database, by name and room. */
  async truth(): Promise<Map<string, Rights>> {
    const found = (await this.query(STANDINGS)) as Standing[];
    const truth = new Map<string, Rights>();
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
        messageId: row.message_id ?? undefined,
        doors: {
          enter: read,
          history: read,
          read,
          search: read,
          // An event stream without a token belongs to no user.
          events: person.token ? read : row.is_private ? 'no' : 'yes',
          say: write,
          write,
          edit: write,
          // Edits there need a token.
          patch: person.token ? write : 'no',
        },
      });
    }
    return truth;
  }

  /** The answers of a server to every user, for each way into each room. */
  async answers(url: string, truth: Map<string, Rights>): Promise<Map<string, Rights>> {
    const answers = new Map<string, Rights>();
    const asked = this.people.map(async (person) => {
      for (const room of this.rooms) {
        const key = `${person.name} ${room}`;
        const messageId = truth.get(key)?.messageId;
        answers.set(key, { messageId, doors: await answersOf(url, person, room, messageId) });
      }
    });
    await Promise.all(asked);
    return answers;
  }

  /** A connection that stays in as many rooms as it may. @returns undefined when the server takes none */
  async settle(url: string, { name, token }: Townsman): Promise<Client | undefined> {
    const client = await connect(url, token);
    for (const room of this.rooms) {
      client?.send({ type: 'join', username: name, room, protocol: 1 });
    }
    return client;
  }

  #newcomer(): Townsman {
    this.#names += 1;
    const person = { name: `person${this.#names}`, token: undefined, issuedAt: 0 };
    this.people.push(person);
    return person;
  }

  async #renew(person: Townsman): Promise<void> {
    Object.assign(person, await this.#credentials(person.name));
  }

  /** Issues a token, later than the change that has ended the one before. */
  async #credentials(name: string): Promise<Pick<Townsman, 'token' | 'issuedAt'>> {
    await Bun.sleep(20);
    const issuedAt = Date.now();
    return { issuedAt, token: await mint({ sub: name, iat: issuedAt / 1000 }, this.secret) };
  }

  #makeRoom(url: string, name: string, isPrivate = false): Promise<number> {
    return fetchStatus(url, 'POST', '/rooms', this.#owner, { name, private: isPrivate });
  }
}

/** The doors with a wrong answer; `unknown` counts as right. */
export function wrongDoors(truth: Map<string, Rights>, answers: Map<string, Rights>): string[] {
  return [...truth].flatMap(([who, { doors }]) =>
    Object.entries(answers.get(who)?.doors ?? {})
      .filter(([door, answer]) => answer !== 'unknown' && answer !== doors[door as Door])
      .map(([door, answer]) => `${who}: ${door} is ${answer}`),
  );
}
