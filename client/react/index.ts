import {
  createContext,
  createElement,
  type ReactNode,
  useContext,
  useRef,
  useSyncExternalStore,
} from 'react';
import {
  ChatClient,
  type ChatMessage,
  type ChatOptions,
  type Notification,
  type Room,
  type RoomOptions,
} from '../index.ts';
import { Lease, type Leases } from './lease.ts';

/** A client that is there already; or where the server is, and how the client is to be. */
export type ChatProviderProps = { children?: ReactNode } & (
  | { client: ChatClient }
  | ({ url: string } & ChatOptions)
);

/** Who is in a room. */
export interface Presence {
  /** 100 names at most. */
  users: readonly string[];
  /** How many there are. */
  userCount: number;
}

/** What waits for the user in any room. */
export interface UserNotifications {
  /** Newest first, 100 at most. */
  items: readonly Notification[];
  /** How many the user has not read, here or not. */
  unread: number;
  /** Has read one. Rejects with a `ChatError`. */
  read(id: number): Promise<void>;
}

const ChatContext = createContext<ChatClient | undefined>(undefined);

const clients: Leases<ChatClient> = new Map();
const rooms = new WeakMap<ChatClient, Leases<Room>>();
/** By client: the one that was there when the server rendered. */
const stills = new WeakMap<ChatClient, ChatClient>();

/**
 * Gives a client to the components in it. With a `url` the client is made here, and closed a second after
 * the last provider of the same `url`, `username` and token text is gone; the other options, a function for
 * the token among them, are taken when it is made. A `client` stays as it is.
 */
export function ChatProvider({ children, ...props }: ChatProviderProps): ReactNode {
  const lease = 'client' in props ? undefined : clientOf(props);
  const still = useRef<ChatClient>(undefined);
  const chat = useSyncExternalStore(
    lease?.subscribe ?? neverChanges,
    () => ('client' in props ? props.client : (lease as Lease<ChatClient>).get()),
    () => {
      still.current ??= newStill('client' in props ? props.client : props);
      return still.current;
    },
  );
  return createElement(ChatContext.Provider, { value: chat }, children);
}

/**
 * The client, which renders for nothing; or what is selected of it, which renders when that changes:
 * `useChat((chat) => chat.status.state)`.
 *
 * @param select must return the same for the same, as all that is read from a client does
 * @throws {Error} outside of a {@link ChatProvider}
 */
export function useChat(): ChatClient;
export function useChat<Selected>(select: (chat: ChatClient) => Selected): Selected;
export function useChat(select: (chat: ChatClient) => unknown = itself): unknown {
  const chat = useContext(ChatContext);
  if (!chat) throw new Error('useChat and the other hooks belong into a <ChatProvider>');
  return useSyncExternalStore(
    chat.subscribe,
    () => select(chat),
    () => select(stillOf(chat)),
  );
}

/**
 * A room, which is entered, and left a second after the last component that uses it is gone and all is
 * sent; or what is selected of it, which renders when that changes: `useRoom(name, (room) => room.unread)`.
 * A room that the application opened itself is never left.
 *
 * @param name of the room; `@ben` is the conversation with ben
 * @param select must return the same for the same, as all that is read from a room does
 */
export function useRoom(name: string, select?: undefined, options?: RoomOptions): Room;
export function useRoom<Selected>(
  name: string,
  select: (room: Room) => Selected,
  options?: RoomOptions,
): Selected;
export function useRoom(
  name: string,
  select: (room: Room) => unknown = itself,
  options?: RoomOptions,
): unknown {
  const chat = useChat();
  const lease = roomOf(chat, name, options);
  return useSyncExternalStore(
    lease.subscribe,
    () => select(lease.get()),
    () => select(openRoom(stillOf(chat), name)),
  );
}

/** The messages of a room, in order. @param name as of {@link useRoom} */
export function useMessages(name: string, options?: RoomOptions): readonly ChatMessage[] {
  return useRoom(name, (room) => room.messages, options);
}

/** Who is in a room. @param name as of {@link useRoom} */
export function usePresence(name: string): Presence {
  const users = useRoom(name, (room) => room.users);
  const userCount = useRoom(name, (room) => room.userCount);
  return { users, userCount };
}

/** Which of the others are typing in a room. @param name as of {@link useRoom} */
export function useTyping(name: string): readonly string[] {
  return useRoom(name, (room) => room.typists);
}

/** What waits for the user: loaded whenever the client is connected, and then as it comes. */
export function useNotifications(): UserNotifications {
  const chat = useChat();
  const { notifications } = chat;
  const items = useSyncExternalStore(
    notifications.subscribe,
    () => notifications.items,
    () => stillOf(chat).notifications.items,
  );
  const unread = useSyncExternalStore(
    notifications.subscribe,
    () => notifications.unread,
    () => 0,
  );
  return { items, unread, read: (id) => notifications.read(id) };
}

function itself<Thing>(thing: Thing): Thing {
  return thing;
}

function neverChanges(): () => void {
  return () => {};
}

function clientOf({ url, ...options }: { url: string } & ChatOptions): Lease<ChatClient> {
  const { username, token } = options;
  const key = JSON.stringify([url, username, token]);
  const leased = {
    make: () => new ChatClient(url, options),
    listen: neverChanges,
    end: (chat: ChatClient) => {
      chat.close();
      return true;
    },
  };
  return clients.get(key) ?? new Lease(clients, key, leased);
}

function roomOf(chat: ChatClient, name: string, options?: RoomOptions): Lease<Room> {
  const key = name.toLowerCase();
  const leases: Leases<Room> = rooms.get(chat) ?? new Map();
  rooms.set(chat, leases);
  let isOpen = false;
  const leased = {
    make: () => {
      isOpen = chat.rooms.some((room) => room.key === key);
      return openRoom(chat, name, options);
    },
    listen: (room: Room, listener: () => void) => room.subscribe(listener),
    end: (room: Room) => {
      const isUnsent = room.messages.some(({ state }) => state === 'sending');
      if (isUnsent && chat.status.state !== 'closed') return false;
      if (!isOpen && room.status.state !== 'left') room.leave();
      return true;
    },
  };
  return leases.get(key) ?? new Lease(leases, key, leased);
}

function openRoom(chat: ChatClient, name: string, options?: RoomOptions): Room {
  return name[0] === '@' ? chat.direct(name.slice(1)) : chat.room(name, options);
}

/**
 * A client that never connects, since its token never comes: what a server renders, and a browser until it
 * has taken over from it.
 */
function newStill({ username = '' }: { username?: string }): ChatClient {
  const still = new ChatClient('http://localhost', {
    username,
    outbox: false,
    token: () => new Promise(() => {}),
    platform: { now: Date.now, random: Math.random, after: neverChanges, onWake: neverChanges },
  });
  stills.set(still, still);
  return still;
}

function stillOf(chat: ChatClient): ChatClient {
  const still = stills.get(chat) ?? newStill(chat);
  stills.set(chat, still);
  return still;
}
