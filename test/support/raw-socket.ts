import { connect, type Socket } from 'bun';

/** A WebSocket client below the level of WebSockets: it answers no ping and may stop reading. */
export interface RawSocket {
  socket: Socket;
  /** The server's answer to the handshake. */
  handshake: Promise<string>;
  /** When the connection ended, in milliseconds since 1970. */
  closed: Promise<number>;
  send(frame: object): void;
}

/** @param headers more lines for the handshake */
export async function rawSocket(url: string, headers: string[] = []): Promise<RawSocket> {
  const { hostname, port } = new URL(url);
  const handshake = Promise.withResolvers<string>();
  const closed = Promise.withResolvers<number>();
  const socket = await connect({
    hostname,
    port: Number(port),
    socket: {
      data: (_, bytes) => handshake.resolve(bytes.toString()),
      close: () => closed.resolve(Date.now()),
    },
  });
  socket.write(
    [
      'GET /ws HTTP/1.1',
      `Host: ${hostname}:${port}`,
      'Upgrade: websocket',
      'Connection: Upgrade',
      'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==',
      'Sec-WebSocket-Version: 13',
      ...headers,
      '\r\n',
    ].join('\r\n'),
  );
  return {
    socket,
    handshake: handshake.promise,
    closed: closed.promise,
    send: (frame) => void socket.write(textFrame(JSON.stringify(frame))),
  };
}

/** A masked text frame of up to 125 bytes: RFC 6455, section 5.2; the mask is zero. */
function textFrame(text: string): Uint8Array {
  const payload = new TextEncoder().encode(text);
  return new Uint8Array([0x81, 0x80 | payload.length, 0, 0, 0, 0, ...payload]);
}
