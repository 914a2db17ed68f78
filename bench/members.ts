/**
 * A load: one room, its members, and some of them sending, each with a number of messages on the way.
 * Every member sees every message, so for each `senders` messages that a sender sees one is its own,
 * and it sends the next.
 *
 * Input: `{ urls, dialect, members, senders, outstanding, seconds }`, the members spread over the urls; output:
 * `{ deliveries, total }`, per second and in all.
 */
import { type RawWebSocket, rawWebSocket } from './raw-websocket.ts';

const input: {
  urls: string[];
  dialect: 'json' | 'socket.io';
  members: number;
  senders: number;
  outstanding: number;
  seconds: number;
} = JSON.parse(process.argv[2] as string);

const content = 'A message of ordinary length, as people write them in a chat.';
const room = 'bench';
let sent = 0;

const dialects = {
  json: {
    open: undefined,
    join: (username: string) =>
      JSON.stringify({ type: 'join', username, protocol: 1, room, since: '$' }),
    message: (id: string) => JSON.stringify({ type: 'message', room, content, id }),
    // {"type":"message" is told from an ack by one letter.
    isMessage: (buffer: Buffer, from: number) => buffer[from + 9] === 0x6d,
  },
  'socket.io': {
    // Socket.IO has a handshake of its own, which must be over before anything is sent.
    open: { ask: '40', answer: '40' },
    join: (username: string) => `42${JSON.stringify(['join', { username, room }])}`,
    message: (id: string) => `42${JSON.stringify(['message', { room, content, id }])}`,
    isMessage: (buffer: Buffer, from: number) => buffer[from] === 0x34 && buffer[from + 1] === 0x32,
  },
};
const { open, join, message, isMessage } = dialects[input.dialect];

let deliveries = 0;
const send = (socket: RawWebSocket) => {
  sent += 1;
  socket.send(message(`${process.pid}-${sent}`));
};

const senders: RawWebSocket[] = [];
for (let n = 0; n < input.members; n++) {
  const isSender = n < input.senders;
  let seen = 0;
  const socket = await rawWebSocket(
    input.urls[n % input.urls.length] as string,
    (buffer, from, _, self) => {
      if (open && buffer.toString('latin1', from, from + 2) === open.answer)
        self.send(join(`member${n}`));
      if (!isMessage(buffer, from)) return;
      deliveries += 1;
      seen += 1;
      if (isSender && seen % input.senders === 0) send(self);
    },
  );
  socket.send(open ? open.ask : join(`member${n}`));
  if (isSender) senders.push(socket);
}
// Joins are answered in order, but each on its own connection.
await Bun.sleep(500);
for (const socket of senders) for (let n = 0; n < input.outstanding; n++) send(socket);

// The first second warms up both sides.
await Bun.sleep(1000);
const [from, start] = [deliveries, performance.now()];
await Bun.sleep(input.seconds * 1000);
const rate = (deliveries - from) / ((performance.now() - start) / 1000);
console.log(JSON.stringify({ deliveries: rate, total: deliveries }));
process.exit();
