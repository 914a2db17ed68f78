/** Receives messages through a client library and prints how many a second came to the application. */
import { Centrifuge } from 'centrifuge';
import { io } from 'socket.io-client';
import { ChatClient } from '../client/index.ts';

export type Library = 'ours' | 'socket.io-client' | 'centrifuge-js';

/** Connects, and calls back for every message. */
const libraries: Record<Library, (url: string, received: () => void) => void> = {
  ours(url, received) {
    const chat = new ChatClient(url, { username: 'ana', outbox: false });
    chat.room('bench', { since: '$' }).on('message', received);
  },
  'socket.io-client'(url, received) {
    io(url, { transports: ['websocket'] }).on('message', received);
  },
  'centrifuge-js'(url, received) {
    const centrifuge = new Centrifuge(`${url.replace('http', 'ws')}/centrifuge`);
    const subscription = centrifuge.newSubscription('bench');
    subscription.on('publication', received);
    subscription.subscribe();
    centrifuge.connect();
  },
};

const { url, library, count } = JSON.parse(process.argv[2] ?? '{}') as {
  url: string;
  library: Library;
  count: number;
};
let seen = 0;
let start = 0;
libraries[library](url, () => {
  if (seen === 0) start = performance.now();
  if (++seen < count) return;
  console.log(JSON.stringify({ perSecond: count / ((performance.now() - start) / 1000) }));
  process.exit();
});
