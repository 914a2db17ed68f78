/**
 * A load: one room and its members, some of which send, each with a number of messages outstanding.
 * Every member receives every message, so of each `senders` messages that a sender receives one is its own,
 * and it sends the next.
 *
 * Input: `{ urls, dialect, members, senders, outstanding, seconds }`, the members spread over the urls, and
 * `messages`, if it is to run until the room has that many; output: `{ deliveries, total }`, per second
 * and in all.
 */
import { drawnContent } from './contents.ts';
import { type DialectName, dialects } from './dialects/index.ts';
import { rawWebSocket } from './raw-websocket.ts';

const input: {
  urls: string[];
  dialect: DialectName;
  members: number;
  senders: number;
  outstanding: number;
  seconds: number;
  messages?: number;
} = JSON.parse(process.argv[2] as string);

const { subprotocol, connect } = dialects[input.dialect];
let sent = 0;
let deliveries = 0;
let isStarted = false;

/** Joins the room. @returns a function that makes a sender begin */
async function enter(n: number): Promise<() => void> {
  const isSender = n < input.senders;
  const joined = Promise.withResolvers<void>();
  const conversation = connect({
    name: `member${n}`,
    room: 'bench',
    send: (text) => socket.send(text),
    joined: joined.resolve,
  });
  const send = (count: number) => {
    const texts = Array.from({ length: count }, () => {
      sent += 1;
      return conversation.message(`${process.pid}-${sent}`, drawnContent(sent));
    });
    socket.send(...texts);
  };
  let seen = 0;
  let answered = 0;
  const socket = await rawWebSocket(
    input.urls[n % input.urls.length] as string,
    (buffer, from, to) => {
      const messages = conversation.receive(buffer, from, to);
      if (messages === 0 || !isStarted) return;
      deliveries += messages;
      if (!isSender) return;
      seen += messages;
      const own = Math.floor(seen / input.senders);
      if (own > answered) send(own - answered);
      answered = own;
    },
    subprotocol,
  );
  conversation.join();
  await joined.promise;
  return () => {
    if (isSender) send(input.outstanding);
  };
}

/** Members that join at once. */
const GROUP = 50;
const starts: (() => void)[] = [];
for (let n = 0; n < input.members; n += GROUP) {
  const group = Array.from({ length: Math.min(GROUP, input.members - n) }, (_, k) => enter(n + k));
  starts.push(...(await Promise.all(group)));
}
isStarted = true;
for (const start of starts) start();

// The first second warms up both sides.
await Bun.sleep(1000);
const [from, start] = [deliveries, performance.now()];
await Bun.sleep(input.seconds * 1000);
const rate = (deliveries - from) / ((performance.now() - start) / 1000);
while (deliveries < (input.messages ?? 0) * input.members) await Bun.sleep(10);
console.log(JSON.stringify({ deliveries: rate, total: deliveries }));
process.exit();
