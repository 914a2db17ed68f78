/** @jsxImportSource react */
import { memo } from 'react';
import type { ChatMessage } from 'ws-chat-client';
import { useChat, useMessages, usePresence, useRoom, useTyping } from 'ws-chat-client/react';

export function Chat({ room: name }: { room: string }) {
  const room = useRoom(name);
  const send = (form: FormData) => void room.send(`${form.get('text')}`);
  return (
    <main>
      <Status />
      <People room={name} />
      <Messages room={name} />
      <form action={send}>
        <input name="text" placeholder="Say something" onChange={() => room.typing()} required />
      </form>
    </main>
  );
}

function Status() {
  const state = useChat((chat) => chat.status.state);
  return <p>{state === 'live' ? 'Connected' : `${state} …`}</p>;
}

function People({ room }: { room: string }) {
  const { users, userCount } = usePresence(room);
  const typists = useTyping(room);
  return (
    <p>
      {userCount} here: {users.join(', ')}
      {typists.length > 0 && ` – ${typists.join(', ')} typing …`}
    </p>
  );
}

function Messages({ room: name }: { room: string }) {
  const room = useRoom(name);
  const messages = useMessages(name);
  const hasMore = useRoom(name, (room) => room.hasMore);
  return (
    <>
      {hasMore && (
        <button type="button" onClick={() => room.history()}>
          Earlier
        </button>
      )}
      <ul>
        {messages.map((message) => (
          <Line key={message.key} message={message} />
        ))}
      </ul>
    </>
  );
}

/** A message never changes, another one takes its place: so only new messages render. */
const Line = memo(function Line({ message }: { message: ChatMessage }) {
  const { username, content, state, error, retry } = message;
  return (
    <li>
      <b>{username}</b> {content} <small>{state}</small>
      {retry && (
        <button type="button" onClick={retry} title={error?.message}>
          Try again
        </button>
      )}
    </li>
  );
});
