import { ChatClient, type ChatError, type ChatOptions, type Status } from '../../client/index.ts';
import { settle } from './clock.ts';
import { FakePlatform } from './fake-platform.ts';
import { FakeServer } from './fake-server.ts';

export const SECOND = 1000;

/** A client of the library in the general room of a fake server, with a clock that the test turns. */
export async function begin(options: ChatOptions = {}, server = new FakeServer()) {
  const clock = new FakePlatform();
  const chat = new ChatClient('http://chat.example', {
    username: 'ana',
    platform: clock,
    WebSocket: server.WebSocket,
    transport: 'websocket',
    ...options,
  });
  const errors: ChatError[] = [];
  const statuses: Status[] = [];
  chat.on('error', (error) => errors.push(error));
  chat.on('status', (status) => statuses.push(status));
  const room = chat.room('general');
  await settle();
  return { server, clock, chat, room, errors, statuses };
}

/** The contents of the messages of a room, in their order. */
export const contents = ({ messages }: { messages: readonly { content: string }[] }) =>
  messages.map(({ content }) => content);
