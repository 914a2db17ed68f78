import { afterAll } from 'bun:test';
import { connect, createServer, type Socket } from 'node:net';

/** A TCP proxy in front of a server that loses connections as networks do. */
export interface FlakyProxy {
  url: string;
  /** The target of new connections. */
  target: string;
  /** Cuts every connection at the next bytes that the server sends, in the middle of them. */
  cutInTheMiddle(): void;
  /** Takes new connections, and passes nothing on, until it is false again. */
  isStalled: boolean;
  /** Passes on the bytes of clients, and no answers. */
  isMute: boolean;
  /** Refuses all connections, as without a network. */
  isAway: boolean;
  /** WebSockets that are open now. */
  sockets(): number;
}

export async function flakyProxy(target: string): Promise<FlakyProxy> {
  const links = new Set<{
    client: Socket;
    server: Socket;
    isDoomed: boolean;
    isWebSocket: boolean;
  }>();
  const proxy: FlakyProxy = {
    url: '',
    target,
    isStalled: false,
    isMute: false,
    get isAway() {
      return isAway;
    },
    set isAway(value) {
      isAway = value;
      if (value)
        for (const { client, server } of links) for (const end of [client, server]) end.destroy();
    },
    cutInTheMiddle() {
      for (const link of links) link.isDoomed = true;
    },
    sockets: () => [...links].filter(({ isWebSocket }) => isWebSocket).length,
  };
  let isAway = false;
  const listener = createServer((client) => {
    client.on('error', () => {});
    if (isAway) {
      client.destroy();
      return;
    }
    const { hostname, port } = new URL(proxy.target);
    const server = connect(Number(port), hostname);
    const link = { client, server, isDoomed: false, isWebSocket: false };
    links.add(link);
    const end = () => {
      links.delete(link);
      client.destroy();
      server.destroy();
    };
    client.on('data', (bytes) => {
      link.isWebSocket ||=
        bytes.includes('upgrade: websocket') || bytes.includes('Upgrade: websocket');
      if (!proxy.isStalled) server.write(bytes);
    });
    server.on('data', (bytes: Buffer) => {
      if (proxy.isStalled || proxy.isMute) return;
      if (!link.isDoomed) {
        client.write(bytes);
        return;
      }
      client.write(bytes.subarray(0, Math.ceil(bytes.length / 2)), end);
    });
    for (const socket of [client, server]) {
      socket.on('error', () => {});
      socket.on('close', end);
    }
  });
  await new Promise<void>((done) => listener.listen(0, '127.0.0.1', done));
  proxy.url = `http://127.0.0.1:${(listener.address() as { port: number }).port}`;
  afterAll(() => {
    listener.close();
    proxy.isAway = true;
  });
  return proxy;
}
