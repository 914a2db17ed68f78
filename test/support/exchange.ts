import { connect } from 'bun';

/** The headers of a handshake. */
export const UPGRADE = [
  'Upgrade: websocket',
  'Connection: Upgrade',
  'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==',
  'Sec-WebSocket-Version: 13',
];

/** Sends lines as they are over a connection of their own. @returns the answer */
export async function exchange(url: string, ...lines: string[]): Promise<string> {
  const { hostname, port } = new URL(url);
  const reply = Promise.withResolvers<string>();
  let text = '';
  const socket = await connect({
    hostname,
    port: Number(port),
    socket: {
      data(_, bytes) {
        text += bytes.toString();
        const length = Number(/content-length: (\d+)/i.exec(text)?.[1] ?? 0);
        const [head = '', ...body] = text.split('\r\n\r\n');
        if (text.includes('\r\n\r\n') && body.join('\r\n\r\n').length >= length && head) {
          reply.resolve(text);
        }
      },
      close: () => reply.resolve(text),
    },
  });
  socket.write([...lines, '', ''].join('\r\n'));
  return reply.promise.finally(() => socket.terminate());
}

/** The status of an answer. */
export const statusOf = (reply: string) => Number(reply.split(' ')[1]);
