/**
 * A load: members of a room, one of which sends at a steady pace, and one, if asked, stops reading.
 *
 * Input: `{ url, members, messagesPerSecond, seconds, isOneSlow }`; output: percentiles of the
 * milliseconds from sending to each delivery, and the `code` with which the slow one was closed.
 */
import { rawWebSocket } from './raw-websocket.ts';

const input: {
  url: string;
  members: number;
  messagesPerSecond: number;
  seconds: number;
  isOneSlow: boolean;
} = JSON.parse(process.argv[2] as string);

const room = `bench-${process.pid}`;
const filler = 'x'.repeat(3900);
const delays: number[] = [];

function join(username: string, onFrame: (text: string) => void) {
  return rawWebSocket(input.url, (buffer, from, to) => {
    // Enough of the frame for its type and the time it was sent.
    onFrame(buffer.toString('latin1', from, Math.min(to, from + 220)));
  }).then((socket) => {
    socket.send(JSON.stringify({ type: 'join', username, protocol: 1, room, since: '$' }));
    return socket;
  });
}

const count = (text: string) => {
  const sentAt = /"content":"([\d.]+) /.exec(text)?.[1];
  if (sentAt) delays.push(performance.now() - Number(sentAt));
};
const talker = await join('talker', count);
for (let n = 2; n < input.members; n++) await join(`member${n}`, count);
const last = await join('last', input.isOneSlow ? () => {} : count);
await Bun.sleep(500);
if (input.isOneSlow) last.pause();

const start = performance.now();
for (let n = 0; n < input.messagesPerSecond * input.seconds; n++) {
  const due = start + (n * 1000) / input.messagesPerSecond;
  if (due > performance.now()) await Bun.sleep(due - performance.now());
  talker.send(JSON.stringify({ type: 'message', room, content: `${performance.now()} ${filler}` }));
}
await Bun.sleep(500);
delays.sort((a, b) => a - b);
const percentile = (p: number) => delays[Math.floor(delays.length * p)];
const output = { p50: percentile(0.5), p99: percentile(0.99) };
if (input.isOneSlow) last.resume();
const code = input.isOneSlow ? await last.closeCode : undefined;
console.log(JSON.stringify({ ...output, code }));
process.exit();
