/** @jsxImportSource react */
/** A page of React components that count how often they render; a test bundles it and drives it. */
import { memo, StrictMode, Suspense, use } from 'react';
import { createRoot, hydrateRoot, type Root } from 'react-dom/client';
import type { ChatMessage } from '../../client/index.ts';
import {
  ChatProvider,
  useChat,
  useMessages,
  useNotifications,
  usePresence,
  useRoom,
  useTyping,
} from '../../client/react/index.ts';

export interface ProbeProps {
  url: string;
  username: string;
  rooms: string[];
  isStrict?: boolean;
  /** Whether notifications are shown; they are by default. */
  hasBell?: boolean;
  /** A room that is used in a render that is never shown. */
  suspended?: string;
}

const renders: Record<string, number> = {};

function count(name: string): void {
  renders[name] = (renders[name] ?? 0) + 1;
}

const Line = memo(function Line({ message: { content, state } }: { message: ChatMessage }) {
  count(`line ${content} ${state}`);
  return <li>{content}</li>;
});

function Messages({ room }: { room: string }) {
  count(`messages ${room}`);
  const messages = useMessages(room);
  return (
    <ul id={`messages-${room}`}>
      {messages.map((message) => (
        <Line key={message.key} message={message} />
      ))}
    </ul>
  );
}

function People({ room }: { room: string }) {
  count(`people ${room}`);
  const { users, userCount } = usePresence(room);
  return <p id={`people-${room}`}>{`${userCount}: ${users.toSorted().join(' ')}`}</p>;
}

function Typing({ room }: { room: string }) {
  count(`typing ${room}`);
  return <p id={`typing-${room}`}>{useTyping(room).join(' ')}</p>;
}

function Unread({ room }: { room: string }) {
  count(`unread ${room}`);
  return <p id={`unread-${room}`}>{useRoom(room, ({ unread }) => unread)}</p>;
}

function Bell() {
  count('bell');
  const { items, unread, read } = useNotifications();
  const [first] = items;
  return (
    <button id="bell" type="button" onClick={() => first && read(first.id)}>
      {`${unread}: ${items.map(({ kind }) => kind).join(' ')}`}
    </button>
  );
}

function Status() {
  count('status');
  return <p id="status">{useChat(({ status }) => status.state)}</p>;
}

const never = new Promise<never>(() => {});

function Suspended({ room }: { room: string }) {
  useMessages(room);
  return use(never);
}

export function App({
  url,
  username,
  rooms,
  isStrict = false,
  hasBell = true,
  suspended,
}: ProbeProps) {
  const app = (
    <ChatProvider url={url} username={username}>
      <Status />
      {hasBell && <Bell />}
      {rooms.map((room) => (
        <div key={room}>
          <Messages room={room} />
          <People room={room} />
          <Typing room={room} />
          <Unread room={room} />
        </div>
      ))}
      {suspended && (
        <Suspense fallback={null}>
          <Suspended room={suspended} />
        </Suspense>
      )}
    </ChatProvider>
  );
  return isStrict ? <StrictMode>{app}</StrictMode> : app;
}

let root: Root | undefined;

export const probe = {
  renders,
  /** Shows the components, or shows them otherwise. */
  show(props: ProbeProps): void {
    root ??= createRoot(document.body);
    root.render(<App {...props} />);
  },
  /** Takes over what a server has rendered. */
  hydrate(props: ProbeProps): void {
    root = hydrateRoot(document.body, <App {...props} />);
  },
  hide(): void {
    root?.unmount();
    root = undefined;
  },
};

Object.assign(globalThis, { probe });
