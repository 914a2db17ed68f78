import { ChatClient, type ChatError, type ChatMessage, type Room } from '../../client/index.ts';
import type { Kept } from './kept.ts';
import { Ruler } from './ruler.ts';
import { Store } from './store.ts';
import { tapped } from './tap.ts';
import { Wire } from './wire.ts';

/** Joins and leaves after a message, gathered. */
export interface Traffic {
  /** The `seq` of the message before. */
  readonly after: number;
  readonly joined: readonly string[];
  readonly left: readonly string[];
}

/** Joins and leaves that are remembered of a room. */
const MAX_TRAFFIC = 200;

/** A message that the conversation is to show. */
export interface Goal {
  readonly id: number;
  readonly seq?: number | undefined;
}

/** What the page knows of a room beside the library. */
export interface RoomView {
  readonly ruler: Ruler;
  readonly traffic: Store<readonly Traffic[]>;
  /** The `seq` after which everything was new when the room was opened, or left unseen. */
  readonly newAfter: Store<number | undefined>;
  /** Is looked for until it is in sight. */
  readonly goal: Store<Goal | undefined>;
  /** What is being written. */
  draft: string;
}

/** A person in the page: the client, its wire, and the room that is seen. */
export class Session {
  readonly wire = new Wire();
  readonly chat: ChatClient;
  /** The room that is seen. */
  readonly room: Store<Room>;
  /** What went wrong last, for the line above the composer. */
  readonly trouble = new Store<ChatError | undefined>(undefined);
  /** Changes with anything of the chat: a room, the connection, what waits. */
  readonly activity = new Store(0);
  readonly token: string | undefined;
  readonly #views = new Map<Room, RoomView>();

  constructor({ username, room, token }: Kept) {
    this.token = token;
    this.chat = new ChatClient('/', {
      ...(username && { username }),
      ...(token && { token }),
      // The wire that is cut is this one; over SSE it would not be.
      transport: 'websocket',
      WebSocket: tapped(this.wire),
    });
    this.wire.watch((frame, isDropped) => {
      for (const [{ name }, { ruler }] of this.#views) {
        if (name && name === frame.room) ruler.frame(frame, isDropped);
      }
    });
    this.chat.subscribe(this.#stir);
    this.chat.notifications.subscribe(this.#stir);
    this.chat.on('error', (error) => this.trouble.set(error));
    this.chat.on('notification', ({ kind, message }) => {
      if (kind === 'direct' && message) this.view(this.chat.direct(message.username));
    });
    const first = this.chat.room(room);
    this.view(first);
    this.room = new Store(first);
  }

  get username(): string {
    return this.chat.username;
  }

  get isAccount(): boolean {
    return this.token !== undefined;
  }

  get isAdmin(): boolean {
    const [, claims = ''] = this.token?.split('.') ?? [];
    try {
      return JSON.parse(atob(claims.replaceAll('-', '+').replaceAll('_', '/'))).role === 'admin';
    } catch {
      return false;
    }
  }

  /** Shows a room, which is entered if it was not. */
  open(room: Room): void {
    this.view(room);
    this.trouble.set(undefined);
    this.room.set(room);
  }

  /** Shows a message in its room. */
  lead(room: Room, goal: Goal): void {
    this.open(room);
    this.view(room).goal.set(goal);
  }

  /** Goes out of a room, and shows another. */
  leave(room: Room): void {
    const other = this.chat.rooms.find((one) => one !== room) ?? this.chat.room('general');
    if (other !== room) this.open(other);
    this.#views.delete(room);
    room.leave();
  }

  view(room: Room): RoomView {
    const known = this.#views.get(room);
    if (known) return known;
    const view: RoomView = {
      ruler: new Ruler(),
      traffic: new Store<readonly Traffic[]>([]),
      newAfter: new Store<number | undefined>(undefined),
      goal: new Store<Goal | undefined>(undefined),
      draft: '',
    };
    this.#views.set(room, view);
    room.subscribe(this.#stir);
    const shown = ({ rev = 0 }: ChatMessage) => view.ruler.shown(rev);
    room.on('message', shown);
    room.on('update', shown);
    room.on('reset', () => view.traffic.set([]));
    room.on('presence', ({ username, status }) => {
      const after = room.messages.findLast(({ seq }) => seq)?.seq ?? 0;
      view.traffic.set(withTraffic(view.traffic.value, after, username, status));
    });
    return view;
  }

  end(): void {
    this.chat.close();
  }

  readonly #stir = (): void => this.activity.set(this.activity.value + 1);
}

function withTraffic(
  all: readonly Traffic[],
  after: number,
  username: string,
  status: 'online' | 'offline',
): readonly Traffic[] {
  const last = all.at(-1);
  const isSame = last?.after === after;
  const joined = (isSame ? last.joined : []).filter((name) => name !== username);
  const left = (isSame ? last.left : []).filter((name) => name !== username);
  (status === 'online' ? joined : left).push(username);
  const before = isSame ? all.slice(0, -1) : all.slice(-MAX_TRAFFIC);
  return [...before, { after, joined, left }];
}

/** The person who uses the page, and the second one beside. */
export const me = new Store<Session | undefined>(undefined);
export const second = new Store<Session | undefined>(undefined);
