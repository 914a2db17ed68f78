/**
 * A load: many clients that each send all their messages at once, until the server closes their connections.
 *
 * Input: `{ url, clients, messages }`; output: how often each close code came.
 */
import { rawWebSocket } from './raw-websocket.ts';

const { url, clients, messages }: { url: string; clients: number; messages: number } = JSON.parse(
  process.argv[2] as string,
);
const times = <T>(count: number, make: (n: number) => T) =>
  Array.from({ length: count }, (_, n) => make(n));

const sockets = await Promise.all(
  times(clients, async (n) => {
    const joined = Promise.withResolvers<void>();
    const socket = await rawWebSocket(url, () => joined.resolve());
    const join = { type: 'join', username: `sender-${n}`, room: 'busy', protocol: 1 };
    socket.send(JSON.stringify(join));
    await joined.promise;
    return socket;
  }),
);
const frames = sockets.map(() =>
  times(messages, () => JSON.stringify({ type: 'message', content: 'x', id: crypto.randomUUID() })),
);
for (const [n, socket] of sockets.entries()) {
  for (const frame of frames[n] ?? []) socket.send(frame);
}
const codes: Record<string, number> = {};
for (const { closeCode } of sockets) {
  const code = String(await closeCode);
  codes[code] = (codes[code] ?? 0) + 1;
}
console.log(JSON.stringify(codes));
process.exit();
