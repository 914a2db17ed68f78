import type { ChatError } from './error.ts';
import type { ChatMessage } from './messages.ts';
import type {
  Member,
  Notification,
  OwnRoom,
  RoomInfo,
  Session,
  StoredMessage,
  User,
  UserStatus,
} from './protocol.ts';
import { type Method, type RequestOptions, type RestParts, rest } from './rest.ts';

export interface ApiParts extends RestParts {
  username(): string;
}

/** The REST calls of a chat, as `await chat.api`. Each rejects with a {@link ChatError}. */
export class Api {
  /** @internal */
  constructor(private readonly parts: ApiParts) {}

  /** Creates an account. */
  register(username: string, password: string): Promise<User> {
    return this.#json('POST', '/users', { body: { username, password } });
  }

  /** Creates a token. @returns it, for `new ChatClient(url, { token })` */
  signIn(username: string, password: string): Promise<Session> {
    return this.#json('POST', '/sessions', { body: { username, password } });
  }

  /** Ends all tokens of the user. */
  signOut(): Promise<void> {
    return this.#done('DELETE', '/sessions');
  }

  changePassword(password: string, currentPassword?: string): Promise<void> {
    return this.#done('PUT', '/me/password', {
      password,
      ...(currentPassword && { currentPassword }),
    });
  }

  /** Returns a user, with `online` and `lastSeen`. */
  user(username: string): Promise<UserStatus> {
    return this.#json('GET', `/users/${encodeURIComponent(username)}`);
  }

  /** Lists the rooms that the user may enter, by name, 100 at most. @param after the name of a room */
  rooms(after?: string): Promise<RoomInfo[]> {
    return this.#json('GET', '/rooms', { query: { after } });
  }

  /** Lists the user's own rooms, direct rooms included, with `unread` and `lastMessage`. */
  myRooms(): Promise<OwnRoom[]> {
    return this.#json('GET', '/me/rooms', { query: this.#as() });
  }

  createRoom(name: string, options: { private?: boolean; topic?: string } = {}): Promise<RoomInfo> {
    return this.#json('POST', '/rooms', { body: { name, ...options } });
  }

  roomInfo(room: string): Promise<RoomInfo> {
    return this.#json('GET', `/rooms/${room}`);
  }

  changeRoom(
    room: string,
    change: { private?: boolean; topic?: string | null },
  ): Promise<RoomInfo> {
    return this.#json('PATCH', `/rooms/${room}`, { body: change });
  }

  deleteRoom(room: string): Promise<void> {
    return this.#done('DELETE', `/rooms/${room}`);
  }

  members(room: string): Promise<Member[]> {
    return this.#json('GET', `/rooms/${room}/members`);
  }

  addMember(room: string, username: string): Promise<void> {
    return this.#done('PUT', person(room, 'members', username));
  }

  removeMember(room: string, username: string): Promise<void> {
    return this.#done('DELETE', person(room, 'members', username));
  }

  /** Lists the users banned from a room, 100 at most; for its owner and admins. */
  bans(room: string): Promise<{ username: string }[]> {
    return this.#json('GET', `/rooms/${room}/bans`);
  }

  /** Lists the users muted in a room, 100 at most; for its owner and admins. */
  mutes(room: string): Promise<{ username: string }[]> {
    return this.#json('GET', `/rooms/${room}/mutes`);
  }

  /** Bans a user from the whole server; for admins. */
  banUser(username: string): Promise<void> {
    return this.#done('PUT', `/users/${encodeURIComponent(username)}/ban`);
  }

  /** Lifts a ban from the whole server; for admins. */
  unbanUser(username: string): Promise<void> {
    return this.#done('DELETE', `/users/${encodeURIComponent(username)}/ban`);
  }

  ban(room: string, username: string): Promise<void> {
    return this.#done('PUT', person(room, 'bans', username));
  }

  unban(room: string, username: string): Promise<void> {
    return this.#done('DELETE', person(room, 'bans', username));
  }

  mute(room: string, username: string): Promise<void> {
    return this.#done('PUT', person(room, 'mutes', username));
  }

  unmute(room: string, username: string): Promise<void> {
    return this.#done('DELETE', person(room, 'mutes', username));
  }

  /** Finds the messages of a room that have all the words of `q`, newest first. @param before a `seq` */
  async search(room: string, q: string, before?: number): Promise<ChatMessage[]> {
    const query = { room, q, before };
    const found = await this.#json<StoredMessage[]>('GET', '/messages/search', { query });
    return found.map((message) => ({ ...message, key: `#${message.id}`, state: 'sent' }));
  }

  /** Lists the unread notifications, newest first, 50 at most. @param before the id of a notification */
  notifications(before?: number): Promise<Notification[]> {
    return this.#json('GET', '/notifications', { query: { ...this.#as(), before } });
  }

  readNotification(id: number): Promise<void> {
    return this.#done('PUT', `/notifications/${id}/read?${new URLSearchParams(this.#as())}`);
  }

  /** The user of a request, where no token tells it. */
  #as(): { username?: string } {
    return this.parts.token() ? {} : { username: this.parts.username() };
  }

  async #json<Answer>(...args: [Method, string, RequestOptions?]): Promise<Answer> {
    return (await rest(this.parts, ...args)).json();
  }

  async #done(method: Method, path: string, body?: object): Promise<void> {
    await rest(this.parts, method, path, body && { body });
  }
}

function person(room: string, list: string, username: string): string {
  return `/rooms/${room}/${list}/${encodeURIComponent(username)}`;
}
