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

/** A client of your own; or the `url` and the options of a client to be created. */
export type ChatProviderProps = { children?: ReactNode } & (
  | { client: ChatClient }
  | ({ url: string } & ChatOptions)
);

/** The users in a room. */
export interface Presence {
  /** Their names, 100 at most. */
  users: readonly string[];
  /** Their number. */
  userCount: number;
}

/** The user's unread notifications. */
export interface UserNotifications {
  /** The notifications, newest first, 100 at most. */
  items: readonly Notification[];
  /** The number of unread notifications, those that are not in `items` included. */
  unread: number;
  /** Marks a notification as read. Rejects with a `ChatError`. */
  read(id: number): Promise<void>;
}

const ChatContext = createContext<ChatClient | undefined>(undefined);

const clients: Leases<ChatClient> = new Map();
const rooms = new WeakMap<ChatClient, Leases<Room>>();
/** By client: the idle one of server rendering. */
const stills = new WeakMap<ChatClient, ChatClient>();

/**
 * Provides a client to the components in it. With a `url` the client is created here, and closed a second
 * after the last provider of the same `url`, `username` and token string is gone; the other options count
 * when it is created. A `client` of your own is never closed.
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
 * The client, which never causes a render; or a selected part of it, which causes one when it changes:
 * `useChat((chat) => chat.status.state)`.
 *
 * @param select must return the same value until something changes, as all properties of a client do
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
 * sent; or a selected part of it, which causes a render when it changes: `useRoom(name, (room) => room.unread)`.
 * A room that the application itself opened is never left.
 *
 * @param name of the room; `@ben` is the conversation with ben
 * @param select must return the same value until something changes, as all properties of a room do
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

/** The users in a room. @param name as of {@link useRoom} */
export function usePresence(name: string): Presence {
  const users = useRoom(name, (room) => room.users);
  const userCount = useRoom(name, (room) => room.userCount);
  return { users, userCount };
}

/** The names of the users who are typing in a room. @param name as of {@link useRoom} */
export function useTyping(name: string): readonly string[] {
  return useRoom(name, (room) => room.typists);
}

/** The user's unread notifications: loaded with every connection, then live. */
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
 * A client that never connects, since its token never comes: for rendering on a server, and for the first
 * render in a browser, which must be the same.
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
