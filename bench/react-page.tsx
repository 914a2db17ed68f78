/** @jsxImportSource react */

/** A list of messages in React that counts how often it and its items render; run in a browser. */
import { memo, useEffect, useState } from 'react';
import { createRoot } from 'react-dom/client';
import type { ChatMessage } from '../client/index.ts';
import { ChatProvider, useMessages, useRoom } from '../client/react/index.ts';

const counts = { list: 0, lines: 0, shown: 0 };

const Line = memo(function Line({ message: { username, content } }: { message: ChatMessage }) {
  counts.lines++;
  return <li>{`${username}: ${content}`}</li>;
});

function List({ messages }: { messages: readonly ChatMessage[] }) {
  counts.list++;
  counts.shown = messages.length;
  return (
    <ul>
      {messages.map((message) => (
        <Line key={message.key} message={message} />
      ))}
    </ul>
  );
}

function WithHook({ room }: { room: string }) {
  return <List messages={useMessages(room)} />;
}

/** The list as tutorials show it, with `useState`. */
function WithState({ room: name }: { room: string }) {
  const room = useRoom(name);
  const [messages, setMessages] = useState<ChatMessage[]>([]);
  useEffect(() => room.on('message', (message) => setMessages((all) => [...all, message])), [room]);
  return <List messages={messages} />;
}

export const bench = {
  counts,
  show(url: string, room: string, isHook: boolean): void {
    createRoot(document.body).render(
      <ChatProvider url={url} username="ana" keep={100_000}>
        {isHook ? <WithHook room={room} /> : <WithState room={room} />}
      </ChatProvider>,
    );
  },
};

Object.assign(globalThis, { bench });
