/**
 * A load: rooms in which messages are sent at a steady pace, without waiting for those before (an open loop).
 * It sleeps between steps of a millisecond, so that it takes no processor time from the server's database.
 *
 * Input: `{ url, rooms, members, senders, perSecond, seconds }`, members and senders being those of one room and
 * the pace that of all rooms; output: `p50` and `p99` of the milliseconds from sending to the delivery to each
 * tenth member, the messages `offered` a second, and the number of `lost` ones, which count as if they had
 * arrived at the end, with the first `refusal`, if there was one.
 */
import { drawnContent } from './contents.ts';
import { dialects } from './dialects/index.ts';
import { ERROR, TELLING } from './dialects/json.ts';
import { type RawWebSocket, rawWebSocket } from './raw-websocket.ts';

const input: {
  url: string;
  rooms: number;
  members: number;
  senders: number;
  perSecond: number;
  seconds: number;
} = JSON.parse(process.argv[2] as string);

/** The first second warms up both sides. */
const WARM_UP_MS = 1000;
/** The wait for outstanding messages at the end. */
const PATIENCE_MS = 5000;
const LISTENERS_OF = 10;
const CONTENT = Buffer.from('"content":"');

const sentAt: number[] = [];
/** The number of listeners that each message has yet to reach. */
const missing: number[] = [];
const delays: number[] = [];
let first = Number.POSITIVE_INFINITY;
let due = 0;
/** The first error or close, if there was one. */
let refusal = '';

function take(buffer: Buffer, from: number): void {
  const at = buffer.indexOf(CONTENT, from) + CONTENT.length;
  const n = Number.parseInt(buffer.toString('latin1', at, at + 10), 10);
  if (!(n >= first)) return;
  delays.push(performance.now() - (sentAt[n] as number));
  missing[n] = (missing[n] as number) - 1;
  due -= 1;
}

async function enter(room: string, n: number): Promise<RawWebSocket> {
  const joined = Promise.withResolvers<void>();
  const send = (text: string) => socket.send(text);
  const conversation = dialects.json.connect({
    name: `member${n}`,
    room,
    send,
    joined: joined.resolve,
  });
  const isListener = n % LISTENERS_OF === 0;
  const socket = await rawWebSocket(input.url, (buffer, from, to) => {
    if (conversation.receive(buffer, from, to) > 0 && isListener) take(buffer, from);
    else if (buffer[from + TELLING] === ERROR) refusal ||= buffer.toString('utf8', from, to);
  });
  void socket.closeCode.then((code) => {
    refusal ||= `closed with ${code}`;
  });
  conversation.join();
  await joined.promise;
  return socket;
}

const senders: { room: string; socket: RawWebSocket; texts: string[] }[] = [];
for (let r = 0; r < input.rooms; r++) {
  const room = `bench${r || ''}`;
  for (let n = 0; n < input.members; n++) {
    const socket = await enter(room, n);
    if (n < input.senders) senders.push({ room, socket, texts: [] });
  }
}

const listeners = Math.ceil(input.members / LISTENERS_OF);
const length = WARM_UP_MS + input.seconds * 1000;
const start = performance.now();
for (let n = 0; n < (length * input.perSecond) / 1000; ) {
  const now = performance.now();
  if (now - start >= WARM_UP_MS) first = Math.min(first, n);
  for (; n < ((now - start) * input.perSecond) / 1000; n++) {
    const sender = senders[n % senders.length] as (typeof senders)[number];
    const content = `${n} ${drawnContent(n)}`;
    const { room } = sender;
    const id = `${process.pid}-${n}`;
    sender.texts.push(JSON.stringify({ type: 'message', room, content, id }));
    sentAt.push(now);
    missing.push(listeners);
    if (n >= first) due += listeners;
  }
  for (const { socket, texts } of senders) {
    if (texts.length > 0) socket.send(...texts.splice(0));
  }
  await Bun.sleep(1);
}
const offered = (sentAt.length / (performance.now() - start)) * 1000;
const end = performance.now() + PATIENCE_MS;
while (due > 0 && performance.now() < end) await Bun.sleep(5);
const lost = Math.round(due / listeners);
for (const [n, count] of missing.entries()) {
  if (n < first) continue;
  for (let each = 0; each < count; each++) delays.push(performance.now() - (sentAt[n] as number));
}
delays.sort((a, b) => a - b);
const at = (p: number) => delays[Math.floor(delays.length * p)];
console.log(JSON.stringify({ p50: at(0.5), p99: at(0.99), offered, lost, refusal }));
process.exit();
