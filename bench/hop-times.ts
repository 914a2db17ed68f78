/**
 * A load: one client sends at a steady pace on the first server, and one client on each server receives.
 *
 * Input: `{ urls, messagesPerSecond, seconds }`; output: for each url the median and the 99th percentile of
 * the milliseconds from sending to delivery.
 */
import { rawWebSocket } from './raw-websocket.ts';

const input: { urls: string[]; messagesPerSecond: number; seconds: number } = JSON.parse(
  process.argv[2] as string,
);

const room = `bench-${process.pid}`;
const join = (username: string) =>
  JSON.stringify({ type: 'join', username, protocol: 1, room, since: '$' });

const delays: number[][] = [];
for (const [n, url] of input.urls.entries()) {
  const ofThis: number[] = [];
  delays.push(ofThis);
  const listener = await rawWebSocket(url, (buffer, from, to) => {
    const text = buffer.toString('latin1', from, Math.min(to, from + 220));
    const sentAt = /"content":"([\d.]+)"/.exec(text)?.[1];
    if (sentAt) ofThis.push(performance.now() - Number(sentAt));
  });
  listener.send(join(`listener${n}`));
}
const talker = await rawWebSocket(input.urls[0] as string, () => {});
talker.send(join('talker'));
await Bun.sleep(500);

const start = performance.now();
for (let n = 0; n < input.messagesPerSecond * input.seconds; n++) {
  const due = start + (n * 1000) / input.messagesPerSecond;
  if (due > performance.now()) await Bun.sleep(due - performance.now());
  talker.send(JSON.stringify({ type: 'message', room, content: `${performance.now()}` }));
}
await Bun.sleep(500);
const percentiles = delays.map((each) => {
  each.sort((a, b) => a - b);
  const at = (p: number) => each[Math.floor(each.length * p)];
  return { p50: at(0.5), p99: at(0.99) };
});
console.log(JSON.stringify(percentiles));
process.exit();
